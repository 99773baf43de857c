-- A decision that waits for its signature while the provider gives a second factor. Sealed with the patient's key,
-- gone after an hour. Not part of the read model.
create table drafts (
    id         uuid primary key,
    patient_id uuid not null,
    staff_id   text not null,
    decision   text not null,
    made_at    timestamptz not null default now()
);
create index drafts_made_at on drafts (made_at);   -- the sweep of what nobody signed
