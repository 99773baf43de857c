-- What Vagaro says, until its two halves meet. Ids are keyed hashes; `content` seals what was said last with the key of
-- `id`. The newest word wins by (changed_at, rank, event), so every order of delivery ends the same.
create table vagaro_customers (
    ref        bytea primary key,
    id         uuid not null unique,
    content    text,                                 -- null once a patient has it
    changed_at timestamptz not null,                 -- Vagaro's time of the word that stands
    rank       smallint not null,
    event      bytea not null,
    patient_id uuid references patients,
    kept_id    uuid,                                 -- waits for a person: it has neither phone nor e-mail
    heard_at   timestamptz not null default now()
);
create index vagaro_customers_patient on vagaro_customers (patient_id);
create index vagaro_customers_kept on vagaro_customers (kept_id) where kept_id is not null;

create table vagaro_appointments (
    ref        bytea primary key,
    id         uuid not null unique,
    customer   bytea,                                -- null for busy time, and where Vagaro has not yet said whose it is
    content    text not null,
    changed_at timestamptz not null,
    rank       smallint not null,
    event      bytea not null,
    told       bytea,                                -- which event and what it said, as a hash; null before the first
    kept_id    uuid                                  -- waits for a person: nobody said whose it is
);
create index vagaro_appointments_customer on vagaro_appointments (customer);
create index vagaro_appointments_kept on vagaro_appointments (kept_id) where kept_id is not null;
