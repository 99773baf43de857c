-- Numbers that wrote STOP, whoever's they are: who takes a patient home is nobody that we know otherwise.
create table stopped_numbers (
    phone_hash bytea primary key,
    since      timestamptz not null                  -- business time
);
-- A STOP finds the visits for which that number was texted; the occurrence ends with the number's mark.
create index messages_escorts on messages (right(occurrence, 8)) where kind = 'escort_invite';
