-- By what a patient is found besides their name: keyed hashes of the ends of their number, of their address and of their
-- date of birth. Part of the read model; deleted with the patient. What was here before is added once, when the service
-- starts (the hashes need the clinic's look-up key, which no migration has).
create table findable (
    patient_id uuid not null,
    hash       bytea not null,
    primary key (patient_id, hash)
);
create index findable_hash on findable (hash);   -- one search asks for a handful of hashes
