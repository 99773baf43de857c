-- Numbers that take no texts, by a carrier's final word. Whoever has one of them is written to by e-mail, or called.
create table unreachable_numbers (
    phone_hash bytea primary key,
    reason     text not null,                        -- the carrier's code
    since      timestamptz not null                  -- business time
);
