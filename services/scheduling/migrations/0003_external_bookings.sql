-- Appointments of other systems, and ours that stand for them. A late word is told by `changed_at`, which is theirs.
create table external_bookings (
    vendor         text not null,
    external_id    text not null,
    patient_id     uuid not null,
    appointment_id uuid references appointments,
    changed_at     timestamptz not null,
    primary key (vendor, external_id)
);
