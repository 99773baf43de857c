-- What is append-only is so by the rights too, not by triggers alone. Partitions are reached through their table only.
create or replace function ensure_event_log_partitions(months_ahead integer) returns integer
language plpgsql security definer set search_path from current set lock_timeout = '100ms' as $$
declare
    home  text := current_schema();
    name  text;
    first date;
    made  integer := 0;
begin
    for i in 0 .. least(months_ahead, 24) loop
        first := (date_trunc('month', now() at time zone 'utc') + make_interval(months => i))::date;
        name := 'event_log_' || to_char(first, 'YYYY_MM');
        if to_regclass(format('%I.%I', home, name)) is null then
            begin
                execute format('create table %I.%I partition of %I.event_log for values from (%L) to (%L)',
                    home, name, home, first::text || ' 00:00+00', (first + interval '1 month')::date::text || ' 00:00+00');
                execute format('revoke all on %I.%I from %I', home, name, 'passage_' || home);
                made := made + 1;
            exception when check_violation or lock_not_available then
                null;
            end;
        end if;
    end loop;
    return made;
end $$;

do $$
declare
    home text := current_schema();
    who  text := 'passage_' || current_schema();
    part regclass;
begin
    execute format('revoke update, delete on %I.audit, %I.audit_seals, %I.audit_sealed, %I.event_log from %I',
        home, home, home, home, who);
    execute format('revoke insert, update, delete on %I.event_log_archive from %I', home, who);
    for part in select inhrelid::regclass from pg_inherits where inhparent = to_regclass(format('%I.event_log', home)) loop
        execute format('revoke all on %s from %I', part, who);
    end loop;
end $$;
