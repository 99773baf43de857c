-- What patients signed for treatment, as text with its hash. The words of each text are kept as they were shown.

create table consent_texts (
    hash      text primary key,          -- SHA-256 over the text as it was shown
    route     text not null,
    version   text not null,
    language  text not null,
    body      text not null
);
create trigger consent_texts_stay before update or delete on consent_texts
    for each row execute function never_changes();

create table consents (
    id         uuid primary key,
    patient_id uuid not null references charts,
    route      text not null check (route in ('im', 'lozenge')),
    text_hash  text not null references consent_texts,
    name       text not null,             -- as the patient typed it, sealed
    signed_at  timestamptz not null,
    signed_by  text not null,
    signature  text not null,             -- keyed with the clinic's key, like a decision's
    ended_at   timestamptz,
    ended_by   text,
    ended      text check (ended in ('withdrawn', 'replaced')),
    check ((ended_at is null) = (ended is null))
);
create unique index consents_current on consents (patient_id, route) where ended_at is null;

-- Which steps of their page a patient has sent: an empty list of medicines is an answer too.
create table told_steps (
    patient_id uuid not null references charts,
    step       text not null check (step in ('about', 'medicines', 'tried', 'goals')),
    told_at    timestamptz not null,
    primary key (patient_id, step)
);
