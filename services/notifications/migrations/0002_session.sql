-- What a visit's calendar file says of its place, and whose confirmations the patient gets already.
alter table visits
    add column mode     text,                            -- of a consultation: in_person, video, phone
    add column external boolean not null default false;  -- booked in another system, which confirms and reminds itself

-- The escort's own word. Who is named anew is asked anew: a link belongs to one round.
alter table visits
    add column escort_round integer not null default 0,
    add column escort_link  text,                        -- sealed: the patient is shown it to pass it on
    add column escort_phone text,                        -- sealed, where the patient gave it
    add column escort_said  text check (escort_said in ('yes', 'no'));
