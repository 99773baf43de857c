-- Who made contact. `details` seals name, phone, e-mail and date of birth with the patient's key; null once erased.
create table patients (
    id           uuid primary key,
    channel      text not null,
    language     text not null,
    zone         text,
    details      text,
    answer_due   timestamptz not null,
    created_at   timestamptz not null,
    updated_at   timestamptz not null,
    arranged_at  timestamptz,                        -- a first appointment stands: public doors no longer add addresses
    treated_at   timestamptz,                        -- the last dose: the chart is locked until its retention ends
    closed_at    timestamptz,
    erased_at    timestamptz,
    check ((details is null) = (erased_at is not null))
) with (fillfactor = 85);

-- By what a person is known again. Claimed before the patient's row is written, in the same transaction, so without
-- a foreign key: claiming is what makes two contacts of the same millisecond one patient.
create table contact_points (
    kind       text not null check (kind in ('email', 'phone')),
    hash       bytea not null,                       -- keyed: `Lookup`
    patient_id uuid not null,
    primary key (kind, hash)
);
create index contact_points_patient on contact_points (patient_id);

-- Every contact that was accepted, by what its sender calls it: the same key is answered with the same answer.
create table accepted (
    producer    text not null,                       -- "api:<producer>", "form", "twilio", "queue"
    key         bytea not null,
    body        bytea not null,                      -- SHA-256 of what was said under this key
    patient_id  uuid,                                -- null where it concerns nobody we know: a stranger's STOP
    answer_due  timestamptz,
    accepted_at timestamptz not null default now(),
    primary key (producer, key)
);
create index accepted_age on accepted (accepted_at);  -- for forgetting by the policy's days

-- What a patient allows now; the history is in the event log.
create table consents (
    patient_id   uuid not null references patients,
    kind         text not null,
    given        boolean not null,
    text_hash    text,
    text_version text,
    language     text,
    channel      text not null,
    changed_at   timestamptz not null,
    primary key (patient_id, kind)
);

-- The very words that were agreed to, found by the hash in ConsentGiven.
create table consent_texts (
    hash     text primary key,
    kind     text not null,
    version  text not null,
    language text not null,
    words    text not null,
    since    timestamptz not null default now()
);

-- Numbers that must not be texted, known or not. Outlives the patient: it is a promise to the number.
create table opt_outs (
    phone_hash   bytea primary key,
    opted_out_at timestamptz not null,
    opted_in_at  timestamptz
);

-- What could not be understood, kept for a person. `content` seals the raw contact with the key of `id`.
create table kept_contacts (
    id          uuid primary key,
    fingerprint bytea not null unique,               -- a record that is delivered again is kept once
    door        text not null,
    reason      text not null,
    content     text,                                -- null once forgotten
    received_at timestamptz not null,
    resolved_at timestamptz,
    resolved_by text,
    outcome     text,
    patient_id  uuid
);
create index kept_contacts_open on kept_contacts (received_at) where resolved_at is null;

create table api_keys (
    hash       bytea primary key,                    -- SHA-256 of 256 random bits: nothing to guess, so nothing to slow down
    producer   text not null,
    created_at timestamptz not null default now(),
    revoked_at timestamptz
);
