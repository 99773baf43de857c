-- The kernel's tables, made in every service's own schema.

-- One row per subject: its lock, and the last sequence that was given out.
create table streams (
    subject  uuid primary key,
    sequence bigint not null check (sequence > 0)
) with (fillfactor = 70);

-- Outbox, audit trail and source of replay in one. `id` must have CACHE 1: a cached identity inverts events.
create table event_log (
    id          bigint generated always as identity (cache 1),
    at          timestamptz not null default clock_timestamp(),
    xid         xid8 not null default pg_current_xact_id(),
    event_id    uuid not null,
    subject     uuid not null,
    sequence    bigint not null,
    partition   smallint not null,
    type        text not null,
    time        timestamptz not null,
    actor       text not null,
    correlation uuid not null,
    causation   uuid,
    traceparent text,
    body        json not null,
    primary key (id, at)
) partition by range (at);

create index event_log_window on event_log (xid, id);           -- the relay's windows
create index event_log_subject on event_log (subject, sequence); -- replay of one subject

-- Never blocking: what no month was made for lands here.
create table event_log_default partition of event_log default;

-- An event may be written before its month has a partition: the relay makes them, and a service takes requests at the
-- same moment. Its row is in the default partition then, and so is that whole month: a partition for it is not made.
create function ensure_event_log_partitions(months_ahead integer) returns integer
language plpgsql security definer set search_path from current as $$
declare
    home  text := current_schema();
    first date;
    made  integer := 0;
begin
    for i in 0 .. least(months_ahead, 24) loop
        first := (date_trunc('month', now() at time zone 'utc') + make_interval(months => i))::date;
        if to_regclass(format('%I.%I', home, 'event_log_' || to_char(first, 'YYYY_MM'))) is null then
            begin
                execute format('create table %I.%I partition of %I.event_log for values from (%L) to (%L)',
                    home, 'event_log_' || to_char(first, 'YYYY_MM'), home,
                    first::text || ' 00:00+00', (first + interval '1 month')::date::text || ' 00:00+00');
                made := made + 1;
            exception when check_violation then
                null;
            end;
        end if;
    end loop;
    return made;
end $$;

-- From the first moment on there are some.
select ensure_event_log_partitions(3);

-- A committed event is kept as it is. The one exception: erasure blanks the key that a patient's first event carried.
create function event_log_is_append_only() returns trigger
language plpgsql as $$
begin
    if tg_op = 'UPDATE' and current_setting('passage.erasing', true) = 'on'
        and (new.id, new.at, new.xid, new.event_id, new.subject, new.sequence, new.type)
          = (old.id, old.at, old.xid, old.event_id, old.subject, old.sequence, old.type)
        and (new.body::jsonb - 'key') = (old.body::jsonb - 'key') and new.body::jsonb -> 'key' = 'null'::jsonb
    then
        return new;
    end if;
    raise exception 'event_log is append-only' using errcode = 'insufficient_privilege';
end $$;

create trigger event_log_append_only before update or delete on event_log
    for each row execute function event_log_is_append_only();

-- The relay's position: what was visible in snapshot `cursor` has been published. One row.
create table relay (
    one       boolean primary key default true check (one),
    cursor    text not null default '3:3:',
    cursor_at timestamptz not null default '-infinity',
    upper     text,                                  -- the far end of a window larger than a page
    upper_at  timestamptz,
    after_id  bigint not null default 0,             -- and how far into it
    term      bigint not null default 0,             -- of the leader that may move this row
    cluster   text                                   -- system identifier and timeline that the snapshots belong to
);
insert into relay default values;

-- What the relay is asked to publish again: one subject from a sequence on, or everything since a moment.
create table replay_requests (
    id            bigint generated always as identity primary key,
    subject       uuid,
    from_sequence bigint not null default 1,
    from_at       timestamptz,
    type          text,
    requested_by  text not null,
    requested_at  timestamptz not null default clock_timestamp(),
    done_at       timestamptz,
    published     bigint,
    check ((subject is null) <> (from_at is null))
);
create index replay_requests_open on replay_requests (id) where done_at is null;

-- The last sequence that this service has applied, per source and subject: bounded by patients, not by events.
create table inbox (
    source   smallint not null,
    subject  uuid not null,
    prior    bigint not null,
    sequence bigint not null,
    primary key (source, subject)
) with (fillfactor = 70);

-- Events that wait for a predecessor or for a fact of another source.
create table parked (
    source    smallint not null,
    subject   uuid not null,
    sequence  bigint not null,
    reason    text not null,
    headers   jsonb not null,
    body      bytea not null,
    parked_at timestamptz not null default clock_timestamp(),
    primary key (source, subject, sequence)
);
create index parked_subject on parked (subject);

-- What could not be used. `record` seals the raw key, headers and value.
create table dead_letters (
    id          uuid primary key default uuidv7(),
    fingerprint bytea not null unique,
    source      smallint,
    subject     uuid,
    sequence    bigint,
    type        text,
    reason      text not null,
    error       text not null,
    topic       text not null,
    partition   integer not null,
    "offset"    bigint not null,
    record      text not null,
    failed_at   timestamptz not null default clock_timestamp(),
    wanted      text check (wanted in ('replay', 'drop')),   -- what a person decided; the running service does it
    wanted_by   text,
    resolved_at timestamptz,
    resolution  text check (resolution in ('replayed', 'dropped')),
    resolved_by text,
    note        text
);
create index dead_letters_open on dead_letters (source, subject) where resolved_at is null;

-- What must happen at a moment of business time. Firing is state change, event and delete in one transaction.
create table timers (
    kind       text not null,
    subject    uuid not null,
    occurrence text not null,
    due_at     timestamptz not null,
    data       jsonb not null default '{}',
    attempts   integer not null default 0,
    not_before timestamptz,                          -- technical time: back-off after a failure
    error      text,
    primary key (kind, subject, occurrence)
);
create index timers_due on timers (due_at);
create index timers_subject on timers (subject);

-- What a person must do.
create table tasks (
    id             uuid primary key,
    kind           text not null,
    subject        uuid not null,
    occurrence     text not null,
    patient_id     uuid,
    role           text not null,
    deadline       timestamptz,
    appointment_id uuid,
    detail         text,
    raised_at      timestamptz not null,
    closed_at      timestamptz,
    how            text check (how in ('fact', 'person')),
    outcome        text,
    closed_by      text,
    unique (kind, subject, occurrence)
);
create index tasks_open on tasks (deadline) where closed_at is null;
