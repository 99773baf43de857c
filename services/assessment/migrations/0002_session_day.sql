-- What is measured and felt on the day of a session. Numbers and codes lie readable, a note is sealed.

create table vitals (
    id             uuid primary key,
    patient_id     uuid not null references charts,
    appointment_id uuid,
    phase          text not null check (phase in ('baseline', 'observation', 'discharge')),
    taken_at       timestamptz not null,
    systolic       integer,
    diastolic      integer,
    heart_rate     integer,
    spo2           integer,
    hold           text not null check (hold in ('none', 'soft', 'hard')),
    flags          text[] not null,
    author         text not null,
    recorded_at    timestamptz not null
);
create index vitals_patient on vitals (patient_id, taken_at desc);   -- the readings of a day, and how often one was repeated
create trigger vitals_stay before update or delete on vitals for each row execute function never_changes();

create table side_effects (
    id             uuid primary key,
    patient_id     uuid not null references charts,
    appointment_id uuid,
    effect         text not null,
    severity       text not null check (severity in ('mild', 'moderate', 'severe')),
    began_at       timestamptz not null,
    note           text,
    author         text not null,
    recorded_at    timestamptz not null
);
create index side_effects_patient on side_effects (patient_id, began_at desc);
create trigger side_effects_stay before update or delete on side_effects
    for each row execute function never_changes();
