-- Which months of the event log are kept in files and no longer here. Rows are written by whoever archives.
create table event_log_archive (
    first_at    timestamptz primary key,
    until_at    timestamptz not null,
    first_id    bigint,                              -- null where the month was empty
    last_id     bigint,
    events      bigint not null,
    file        text not null,
    sha256      text not null,
    archived_at timestamptz not null default clock_timestamp()
);

-- As before, and writers never queue behind it for long: a month that can't be made at once is made by a later call, and
-- the log has some ahead.
create or replace function ensure_event_log_partitions(months_ahead integer) returns integer
language plpgsql security definer set search_path from current set lock_timeout = '100ms' as $$
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
            exception when check_violation or lock_not_available then
                null;
            end;
        end if;
    end loop;
    return made;
end $$;

-- Take a month out of the log; works for the tables' owner alone. The caller sets a lock_timeout: writers wait while this does.
create function drop_event_log_month(month date) returns void
language plpgsql set search_path from current as $$
declare
    home text := current_schema();
    name text := 'event_log_' || to_char(month, 'YYYY_MM');
begin
    execute format('alter table %I.event_log detach partition %I.%I', home, home, name);
    execute format('drop table %I.%I', home, name);
end $$;
