-- A chart per patient. Whatever a person wrote is sealed with the patient's key (text columns beginning with s1.).

create function never_changes() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end $$;

create table charts (
    patient_id   uuid primary key,
    state        text not null check (state in ('new', 'gathering', 'complete', 'decided')),
    completed    integer not null default 0 check (completed >= 0),   -- how many assessments were completed so far
    assessment   uuid,                                                -- the one that stands; null after a change
    opened_at    timestamptz not null,
    changed_at   timestamptz not null
);

-- After a merge the absorbed id leads here. Ids are never rewritten.
create table aliases (
    absorbed_id  uuid primary key,
    patient_id   uuid not null,
    since        timestamptz not null,
    check (absorbed_id <> patient_id)
);
create index aliases_patient on aliases (patient_id);   -- a chain of merges is followed from its end

create table section_versions (
    patient_id   uuid not null references charts,
    kind         text not null check (kind in ('history', 'goals', 'tried', 'insurance')),
    version      integer not null check (version > 0),
    content      text not null,
    author       text not null,
    saved_at     timestamptz not null,
    primary key (patient_id, kind, version)
);
create trigger section_versions_stay before update or delete on section_versions
    for each row execute function never_changes();

create table assessments (
    id           uuid primary key,
    patient_id   uuid not null references charts,
    version      integer not null check (version > 0),
    content      text not null,           -- everything that was assessed, exactly what content_hash is over
    content_hash text not null,
    policy_hash  text not null,
    completed_by text not null,
    completed_at timestamptz not null,
    unique (patient_id, version)
);
create trigger assessments_stay before update or delete on assessments
    for each row execute function never_changes();

create table decisions (
    id            uuid primary key,
    patient_id    uuid not null references charts,
    assessment_id uuid not null unique references assessments,   -- one decision per version, whoever clicks twice
    action        text not null check (action in ('approve', 'alternative', 'more_information', 'decline')),
    provider_id   text not null,
    licence       text not null,
    licence_state text not null,
    signed_at     timestamptz not null,
    policy_hash   text not null,
    statement     text not null,          -- the canonical JSON that was signed
    digest        text not null,          -- SHA-256 over it
    signature     text not null           -- keyed with the clinic's key: a row forged in the database doesn't verify
);
create index decisions_patient on decisions (patient_id, signed_at);
create trigger decisions_stay before update or delete on decisions
    for each row execute function never_changes();

create table approvals (
    id           uuid primary key,
    patient_id   uuid not null references charts,
    decision_id  uuid not null unique references decisions,
    route        text not null,
    sessions     integer not null,
    valid_until  timestamptz not null,
    state        text not null default 'in_force' check (state in ('in_force', 'revoked', 'expired')),
    ended_at     timestamptz,
    reason       text,
    check ((state = 'in_force') = (ended_at is null))
);
create unique index approvals_in_force on approvals (patient_id) where state = 'in_force';   -- at most one course
create index approvals_patient on approvals (patient_id);

create table safety_concerns (
    id           uuid primary key,
    patient_id   uuid not null references charts,
    kind         text not null,
    level        text not null check (level in ('low', 'moderate', 'high')),
    raised_at    timestamptz not null,
    raised_by    text not null,
    cleared_at   timestamptz,
    cleared_by   text,
    reason       text,
    check ((cleared_at is null) = (cleared_by is null))
);
create unique index safety_concerns_open on safety_concerns (patient_id, kind) where cleared_at is null;
