-- An archived month returns: `event_log_coming_back` holds it and becomes its partition. Works for the tables' owner
-- alone. The caller sets a lock_timeout: attaching looks through the default partition, which nobody writes to then.
create function attach_event_log_month(month date) returns void
language plpgsql set search_path from current as $$
declare
    home  text := current_schema();
    name  text := 'event_log_' || to_char(month, 'YYYY_MM');
    first text := month::text || ' 00:00+00';
    until text := (month + interval '1 month')::date::text || ' 00:00+00';
begin
    execute format('alter table %I.event_log_coming_back rename to %I', home, name);
    execute format('alter table %I.%I alter column xid set default pg_current_xact_id()', home, name);
    -- Says what the partition's bounds say, so that attaching need not look through the rows.
    execute format('alter table %I.%I add constraint coming_back check (at >= %L and at < %L)', home, name, first, until);
    execute format('alter table %I.event_log attach partition %I.%I for values from (%L) to (%L)',
        home, home, name, first, until);
    execute format('alter table %I.%I drop constraint coming_back', home, name);
    execute format('revoke all on %I.%I from %I', home, name, 'passage_' || home);
end $$;
