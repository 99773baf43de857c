-- What the edge and the sealing need, in every service's schema.

-- Patients' data keys, wrapped by the clinic's key `kid`. Erasing a person deletes the row.
create table patient_keys (
    subject    uuid primary key,
    kid        text not null,
    wrapped    text not null,
    created_at timestamptz not null default now()
);

-- Whom a replay must not bring back.
create table tombstones (
    subject   uuid primary key,
    erased_at timestamptz not null default now()
);

-- A patient's links: only the hash is stored, so a copy of this table opens nothing.
create table links (
    hash       bytea primary key,
    purpose    text not null,
    subject    uuid not null,
    data       jsonb not null default '{}',
    expires_at timestamptz not null,
    created_at timestamptz not null default now()
);
-- for revoking all links of a purpose when what they were for is over
create index links_subject on links (subject, purpose);

-- Unlogged: after a crash everyone starts with a full allowance, which is better than a write-ahead record per request.
create unlogged table rate_limits (
    name text not null,
    key  bytea not null,
    tat  timestamptz not null,
    primary key (name, key)
);
-- for sweeping what no longer limits anyone
create index rate_limits_tat on rate_limits (tat);

create table audit (
    id      bigint generated always as identity primary key,
    at      timestamptz not null default clock_timestamp(),
    actor   text not null,
    action  text not null,
    what    text not null,
    subject uuid,
    detail  jsonb not null default '{}',
    trace   text
);
-- for "who has read this person's chart"
create index audit_subject on audit (subject, id);
-- for the sealer's window
create index audit_at on audit (at);

-- Each seal is an HMAC over the seal before it and a batch of rows: to change or drop a row unseen one needs the
-- clinic's key.
create table audit_seals (
    id      bigint primary key,
    at      timestamptz not null default clock_timestamp(),
    entries integer not null,
    digest  bytea not null
);

create table audit_sealed (
    audit_id bigint primary key references audit (id),
    seal_id  bigint not null references audit_seals (id)
);
create index audit_sealed_seal on audit_sealed (seal_id, audit_id);

create function append_only() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end $$;

create trigger audit_append_only before update or delete or truncate on audit
    for each statement execute function append_only();
create trigger audit_seals_append_only before update or delete or truncate on audit_seals
    for each statement execute function append_only();
create trigger audit_sealed_append_only before update or delete or truncate on audit_sealed
    for each statement execute function append_only();
