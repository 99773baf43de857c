-- Who can be told, how, and what they allowed. Names and contact details are sealed with the patient's key.
create table patients (
    id          uuid primary key,
    name        text,
    contact     text,                                -- sealed {"phone", "email"}
    phone_hash  bytea,                               -- whose phone an answer came from
    has_phone   boolean not null default false,
    has_email   boolean not null default false,
    language    text not null,
    zone        text,
    sms_consent boolean not null default false,
    sms_out     boolean not null default false,      -- said STOP
    email_out   boolean not null default false,
    erased_at   timestamptz
);
create index patients_phone on patients (phone_hash) where phone_hash is not null;

-- Who turned out to be whom: messages go to the other one. The merge may be known before the absorbed person is.
create table aliases (
    absorbed_id uuid primary key,
    patient_id  uuid not null
);
create index aliases_patient on aliases (patient_id);

-- What notifications needs to know of an appointment.
create table visits (
    id           uuid primary key,
    patient_id   uuid not null references patients,
    kind         text not null,
    course_id    uuid,
    number       integer,
    of           integer,
    starts_at    timestamptz not null,
    dose_at      timestamptz,
    ends_at      timestamptz not null,
    zone         text not null,
    revision     integer not null default 0,
    state        text not null default 'ahead' check (state in ('ahead', 'cancelled', 'missed', 'done')),
    transport    text not null default 'open' check (transport in ('open', 'confirmed', 'missing')),
    escort       text                                -- sealed
);
create index visits_patient on visits (patient_id, starts_at);
create index visits_course on visits (course_id) where course_id is not null;

-- One row per message. Times are business time; leases and waits (`lease_until`, `not_before`) are technical time.
create table messages (
    id             uuid primary key,
    patient_id     uuid not null references patients,
    kind           text not null,
    occurrence     text not null,
    channel        text not null check (channel in ('sms', 'email')),
    text           text not null,                    -- key of its words in the clinic file
    visit_id       uuid,
    visits         uuid[] not null default '{}',     -- those that it names
    course_id      uuid,
    ladder         boolean not null default false,   -- planned from the reminder ladder, replanned with its visit
    exempt         boolean not null default false,   -- an answer or a safety message: not counted, never held back
    asks           text,
    answer_by      timestamptz,                      -- what {when} says
    planned_at     timestamptz not null,
    due_at         timestamptz not null,
    until_at       timestamptz,
    state          text not null default 'planned' check (state in
                   ('planned', 'ready', 'sending', 'sent', 'delivered', 'failed', 'suppressed', 'withdrawn')),
    reason         text,
    carried_by     uuid references messages,         -- travels inside that message
    recipient      text,                             -- sealed, as is what was said
    subject_line   text,
    body           text,
    attempts       integer not null default 0,
    first_try_at   timestamptz,
    not_before     timestamptz,
    lease_until    timestamptz,
    vendor_id      text,
    sent_at        timestamptz,
    delivered_at   timestamptz,
    unique (patient_id, kind, occurrence, channel)   -- the same message is never made twice
);
create index messages_out on messages (not_before) where state = 'ready';         -- the delivery loop
create index messages_leased on messages (lease_until) where state = 'sending';   -- what a crash left behind
create index messages_carried on messages (carried_by) where carried_by is not null;
create index messages_visit on messages (visit_id) where visit_id is not null;
create unique index messages_vendor on messages (vendor_id) where vendor_id is not null;

-- What a patient was asked by text and has not answered yet.
create table questions (
    id          uuid primary key,
    patient_id  uuid not null references patients,
    kind        text not null,
    visit_id    uuid not null references visits,
    message_id  uuid references messages,
    asked_at    timestamptz not null,
    closed_at   timestamptz,
    meaning     text
);
create index questions_open on questions (patient_id, asked_at desc) where closed_at is null;

-- The patient's last word on each item of a session's preparation.
create table preparation (
    visit_id    uuid not null references visits,
    item        text not null,
    ok          boolean not null,
    answered_at timestamptz not null,
    primary key (visit_id, item)
);
