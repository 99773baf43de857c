-- Two records of one person: who was merged into whom, since when and by whom. One step deep: who has absorbed others
-- is not absorbed, so that taking two apart again never concerns a third.
alter table patients
    add column merged_into uuid references patients,
    add column merged_at   timestamptz,
    add column merged_by   text,
    add constraint merged_whole check (num_nulls(merged_into, merged_at, merged_by) in (0, 3)),
    add constraint merged_into_another check (merged_into <> id);
create index patients_merged on patients (merged_into) where merged_into is not null;

-- Whose address it was before the merge: it is theirs again when the two are taken apart.
alter table contact_points add column merged_from uuid;
create index contact_points_merged on contact_points (merged_from) where merged_from is not null;
