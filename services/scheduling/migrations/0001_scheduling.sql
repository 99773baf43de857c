-- What scheduling owns: who may be booked, what was approved, what stands in the calendar, and what each takes.

-- Trusted since PostgreSQL 13: text joins ranges in one GiST index. In public, so that one database needs it once.
create extension if not exists btree_gist with schema public;

create table patients (
    patient_id  uuid primary key,
    merged_into uuid,
    erased      boolean not null default false
);
create index patients_merged_into on patients (merged_into) where merged_into is not null;

-- What a licensed provider signed. Sessions are booked under a current approval and under nothing else.
create table approvals (
    approval_id        uuid primary key,
    patient_id         uuid not null,
    assessment_id      uuid not null,
    assessment_version integer not null,
    assessment_hash    text not null,
    route              text not null,
    sessions           smallint not null,
    provider_id        text not null,
    signed_at          timestamptz not null,
    valid_until        timestamptz not null,
    policy_hash        text not null,
    state              text not null default 'current' check (state in ('current', 'revoked', 'expired', 'superseded'))
);
create index approvals_patient on approvals (patient_id);

create table courses (
    course_id   uuid primary key,
    approval_id uuid not null unique references approvals,
    patient_id  uuid not null,
    state       text not null default 'pending' check (state in ('pending', 'planned', 'infeasible', 'stopped')),
    reasons     text[] not null default '{}',
    -- Technical time: a course whose planning failed waits, so that it doesn't stand in the way of the others.
    next_try    timestamptz not null default now(),
    journey     uuid not null,
    cause       uuid
);
-- The planner looks for work all the time; pending courses are few among all that ever were.
create index courses_pending on courses (next_try) where state = 'pending';
create index courses_patient on courses (patient_id);

create table appointments (
    appointment_id uuid primary key,
    patient_id     uuid not null,
    kind           text not null check (kind in ('consultation', 'session', 'preparation', 'integration')),
    state          text not null check (state in
                       ('booked', 'held', 'checked-in', 'dosed', 'completed', 'cancelled', 'no-show')),
    starts_at      timestamptz not null,
    ends_at        timestamptz not null,
    zone           text not null,
    provider_id    text not null,
    room_id        text,
    monitor_id     text,
    mode           text not null check (mode in ('in_person', 'video', 'phone')),
    booked_by      text not null check (booked_by in ('staff', 'patient', 'external')),
    revision       integer not null default 0,
    policy_hash    text not null,
    course_id      uuid references courses,
    approval_id    uuid references approvals,
    number         smallint,
    of_total       smallint,
    route          text,
    dose_at        timestamptz,
    room_until     timestamptz,
    check (ends_at > starts_at),
    check ((kind = 'session') = (course_id is not null and approval_id is not null and number is not null
           and of_total is not null and route is not null and dose_at is not null and room_until is not null
           and monitor_id is not null and room_id is not null))
);
create index appointments_patient on appointments (patient_id, starts_at);
create index appointments_starts on appointments (starts_at);
create index appointments_course on appointments (course_id) where course_id is not null;
-- A course has each of its sessions once, whatever a planner does.
create unique index appointments_session on appointments (course_id, number)
    where state not in ('cancelled', 'no-show');

-- What is taken: rooms, people, patients. Two appointments never have the same resource at the same time.
-- Written by one statement, in the order of resources, with ON CONFLICT DO NOTHING: a plain INSERT would deadlock.
create table bookings (
    resource       text not null,
    during         tstzrange not null check (not isempty(during)),
    appointment_id uuid not null references appointments deferrable initially deferred,
    constraint bookings_one_at_a_time exclude using gist (resource with =, during with &&)
);
create index bookings_appointment on bookings (appointment_id);

-- Busy by another system's calendar: true whether or not it suits ours, so it is not under the constraint.
create table busy (
    busy_id  uuid primary key,
    resource text not null,
    during   tstzrange not null
);
create index busy_during on busy using gist (resource, during);

-- A repeated request with the same key gets the first one's answer.
create table requests (
    actor          text not null,
    key            text not null,
    digest         bytea not null,
    appointment_id uuid not null,
    at             timestamptz not null default now(),
    primary key (actor, key)
);
