-- Events up to this id were restored from another cluster: their transaction ids mean nothing here.
alter table relay add column settled_id bigint not null default 0;
