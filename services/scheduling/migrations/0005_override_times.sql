-- A signature past a gate is for the session at one time: moved, it is asked for again. '-infinity': written by a version
-- that did not say, and counted for none.
alter table overrides add column starts_at timestamptz not null default '-infinity';
update overrides o set starts_at = a.starts_at from appointments a where a.appointment_id = o.appointment_id;
alter table overrides drop constraint overrides_pkey,
    add primary key (appointment_id, gate, because, evidence, starts_at);
