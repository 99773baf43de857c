-- Staff who said that they don't need the board's first words any more. Not part of the read model: dropping it greets
-- everybody again.
create table greeted (
    person_id text primary key,
    at        timestamptz not null default now()
);
