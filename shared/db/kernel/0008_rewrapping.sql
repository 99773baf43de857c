-- A committed event is kept as it is, but for the key that it may carry: erasure blanks it; and whoever owns the tables,
-- which no service does, may close the same key anew with the clinic's next one.
create or replace function event_log_is_append_only() returns trigger
language plpgsql as $$
begin
    if tg_op = 'UPDATE'
        and (new.id, new.at, new.xid, new.event_id, new.subject, new.sequence, new.type)
          = (old.id, old.at, old.xid, old.event_id, old.subject, old.sequence, old.type)
        and (new.body::jsonb - 'key') = (old.body::jsonb - 'key')
    then
        if current_setting('passage.erasing', true) = 'on' and new.body::jsonb -> 'key' = 'null'::jsonb then
            return new;
        end if;
        if current_setting('passage.rewrapping', true) = 'on' and current_user <> 'passage_' || tg_table_schema
            and jsonb_typeof(old.body::jsonb -> 'key') = 'object' and jsonb_typeof(new.body::jsonb -> 'key') = 'object'
        then
            return new;
        end if;
    end if;
    raise exception 'event_log is append-only' using errcode = 'insufficient_privilege';
end $$;
