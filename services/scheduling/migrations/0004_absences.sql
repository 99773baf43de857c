-- Who wrote down that somebody is away; null where another system's calendar says so.
alter table busy add column noted_by text;
-- The same absence written down twice is one.
create unique index busy_noted_once on busy (resource, during) where noted_by is not null;
