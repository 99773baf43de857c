-- The day of a session: facts of other services that its gates ask for, and what happened here.

-- An earlier signature for the same route is replaced by a later one; withdrawn ones stay as a mark against repetition.
create table treatment_consents (
    consent_id uuid primary key,
    patient_id uuid not null,
    route      text not null,
    signed_at  timestamptz,
    withdrawn  boolean not null default false
);
create index treatment_consents_patient on treatment_consents (patient_id);

create table concerns (
    concern_id uuid primary key,
    patient_id uuid not null,
    level      text,
    cleared    boolean not null default false
);
create index concerns_patient on concerns (patient_id) where not cleared;

create table vitals (
    vitals_id      uuid primary key,
    appointment_id uuid not null,
    phase          text not null,
    taken_at       timestamptz not null,
    systolic       smallint,
    diastolic      smallint,
    heart_rate     smallint,
    spo2           smallint
);
create index vitals_appointment on vitals (appointment_id, taken_at);

-- What was said before `since` was said of another time: the appointment moved then.
create table rides (
    appointment_id uuid primary key,
    confirmed      boolean not null,
    since          timestamptz not null default '-infinity'
);

create table preparation (
    appointment_id uuid not null,
    item           text not null,
    ok             boolean not null,
    answered_at    timestamptz not null,
    primary key (appointment_id, item)
);

-- One row per session that began. `attested` is what staff asked the patient at the door.
create table session_days (
    appointment_id uuid primary key references appointments,
    checked_in_at  timestamptz not null,
    attested       text[] not null default '{}',
    dosed_at       timestamptz,
    prescriber_id  text,
    discharged_at  timestamptz,
    escort_present boolean
);

-- A provider signed past one gate as it stood: `because` and `evidence` say what they saw. The reason is sealed.
create table overrides (
    appointment_id uuid not null references appointments,
    gate           text not null,
    because        text not null,
    evidence       text not null,
    provider_id    text not null,
    licence        text not null,
    reason         text not null,
    signed_at      timestamptz not null,
    primary key (appointment_id, gate, because, evidence)
);
