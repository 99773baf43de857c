-- Staff who are signed in. The browser holds a random token; tokens of the issuer stay here, sealed with the clinic's key.
-- Not part of the read model: dropping it signs everybody out.
create table staff_sessions (
    hash           bytea primary key,
    person_id      text not null,
    tokens         text not null,
    access_expires timestamptz not null,
    last_seen      timestamptz not null default now(),
    expires_at     timestamptz not null
);
create index staff_sessions_expires on staff_sessions (expires_at);   -- the sweep
