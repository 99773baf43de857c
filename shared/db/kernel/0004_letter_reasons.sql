-- Why somebody let a dead letter go, in their words; sealed with the clinic's key.
alter table dead_letters add column because text;
