-- Telephone calls until they are settled: a voicemail, or missed. `caller` seals the number with the key of `id`;
-- null where it was withheld.
create table calls (
    sid         bytea primary key,                   -- SHA-256 of the vendor's call id
    id          uuid not null unique,
    caller      text,
    trusted     boolean not null,                    -- the network does not call the number a forgery
    started_at  timestamptz not null,
    settled     text check (settled in ('voicemail', 'missed')),
    settled_at  timestamptz
);
create index calls_age on calls (started_at);
