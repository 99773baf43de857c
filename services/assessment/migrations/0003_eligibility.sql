-- Questions to payers. One waits per patient; a newer one takes the place of one that still waits.

create table eligibility_checks (
    id          uuid primary key,
    patient_id  uuid not null references charts,
    state       text not null default 'waiting' check (state in ('waiting', 'answered', 'gave_up', 'replaced')),
    attempts    integer not null default 0,
    not_before  timestamptz not null default now(),   -- technical time: nobody asks before; while asking, the lease
    asked_by    text not null,
    asked_at    timestamptz not null,
    checked_at  timestamptz,
    status      text,
    codes       text[] not null default '{}',
    figures     text,                                 -- sealed JSON: plan, amounts, prior authorisation, what to do
    problem     text                                  -- a code: why the last question had no answer
);
create unique index eligibility_checks_waiting on eligibility_checks (patient_id) where state = 'waiting';
create index eligibility_checks_due on eligibility_checks (not_before) where state = 'waiting';
create index eligibility_checks_patient on eligibility_checks (patient_id, id desc);   -- the newest one, for the chart
