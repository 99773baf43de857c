-- An event may be written before its month has a partition: the relay makes them, and a service takes requests at the
-- same moment. Its row is in the default partition then, and so is that whole month: a partition for it is not made.
create or replace function ensure_event_log_partitions(months_ahead integer) returns integer
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
