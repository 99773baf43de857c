-- When everything that a producer had said by then, in one partition of its topic, had been applied here. Technical time.
create table heard (
    source    smallint not null,
    partition smallint not null,
    at        timestamptz not null,
    primary key (source, partition)
);
