-- A replay may also be of a range of time, of one type of event or of all; `after_id` and `published` say how far it is.
alter table replay_requests
    add column until_at timestamptz,
    add column after_id bigint not null default 0;
