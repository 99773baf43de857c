-- The read model. Nothing here is true by itself: all of it can be dropped and rebuilt from the producers' logs.

-- What each producer has said about a patient, folded. One row per producer: only one consumer ever writes it, so
-- consumers of different topics never wait for each other.
create table facts (
    patient_id uuid not null,
    source     text not null check (source in ('intake', 'assessment', 'scheduling', 'notifications')),
    facts      jsonb not null,
    primary key (patient_id, source)
) with (fillfactor = 70);

-- Every event as it was, sealed where it was sealed.
create table story (
    source     text not null,
    subject    uuid not null,
    sequence   bigint not null,
    patient_id uuid,
    type       text not null,
    at         timestamptz not null,
    actor      text not null,
    payload    jsonb not null,
    primary key (source, subject, sequence)
);
create index story_of_patient on story (patient_id, at desc);

-- Who turned out to be whom. A row per merge, so that merges and their undoing may arrive in any order.
create table aliases (
    patient_id  uuid not null,
    absorbed_id uuid not null,
    primary key (patient_id, absorbed_id)
);
create index aliases_absorbed on aliases (absorbed_id);

-- What a person must do, of all services.
create table work (
    task_id        uuid primary key,
    source         text not null,
    subject        uuid not null,
    patient_id     uuid,
    kind           text not null,
    occurrence     text not null,
    role           text not null,
    deadline       timestamptz,
    appointment_id uuid,
    detail         text,
    raised_at      timestamptz not null,
    closed_at      timestamptz,
    outcome        text
);
create index work_open on work (deadline) where closed_at is null;
create index work_of_patient on work (patient_id) where closed_at is null;

-- What changed, for open pages. `xid` and not `id` is the cursor: ids are given out before commit, a late one would be
-- passed by. Kept for a day; not part of the read model.
create table changes (
    id         bigint generated always as identity primary key,
    xid        xid8 not null default pg_current_xact_id(),
    at         timestamptz not null default clock_timestamp(),
    patient_id uuid
);
create index changes_xid on changes (xid);
create index changes_at on changes (at);
