"""Patients as intake knows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from services.intake.repository import arrivals
from shared.contracts.base import WrappedKey
from shared.tasks import NewTask

# A patient, their key and the task to answer them in one round trip: on a busy machine each costs more than its rows.
# Gives the numbers that have opted out: asked after they were claimed, so a STOP of the same moment is seen.
ADD_PATIENTS = """
with added as (
    insert into patients (id, channel, language, zone, details, answer_due, created_at, updated_at)
    select p.*, $6, $7, $7 from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[]) as p
), keys as (
    insert into patient_keys (subject, kid, wrapped) select * from unnest($1::uuid[], $9::text[], $10::text[])
), raised as (
    insert into tasks (id, kind, subject, occurrence, patient_id, role, deadline, detail, raised_at)
    select id, kind, subject, occurrence, subject, role, deadline, detail, $7
      from unnest($11::uuid[], $12::text[], $13::uuid[], $14::text[], $15::text[], $16::timestamptz[], $17::text[])
        as t(id, kind, subject, occurrence, role, deadline, detail)
)
select phone_hash from opt_outs where phone_hash = any($8::bytea[]) and opted_in_at is null
"""
# What was arranged with, or done to, those who were merged into somebody counts for them, for as long as it is so.
PATIENT = """
select id, channel, language, zone, details, answer_due, created_at,
       coalesce(arranged_at, (select min(arranged_at) from patients a where a.merged_into = p.id)),
       greatest(treated_at, (select max(treated_at) from patients a where a.merged_into = p.id)),
       closed_at, erased_at, merged_into
  from patients p where id = $1
"""
LOCK_PATIENT = PATIENT + " for update of p"
SAVE_PATIENT = """
update patients set details = $2, language = $3, zone = $4, answer_due = $5, closed_at = $6, updated_at = $7
 where id = $1
"""
MARK_ARRANGED = "update patients set arranged_at = coalesce(arranged_at, $2) where id = $1"
MARK_TREATED = "update patients set treated_at = greatest(treated_at, $2) where id = $1"
MARK_ERASED = "update patients set erased_at = $2, details = null, zone = null, updated_at = $2 where id = $1"
ALLOW_BLANKING = "select set_config('passage.erasing', $1, true)"
BLANK_KEY = """
update event_log set body = (body::jsonb || '{"key": null}'::jsonb)::json
 where subject = any($1::uuid[]) and body ->> 'key' is not null
   and (type like 'passage.intake.LeadCreated.%' or type like 'passage.intake.TaskRaised.%')
"""
OPEN_TASK = """
select exists (select from tasks
                where kind = $1 and closed_at is null
                  and subject in (select $2 union all select id from patients where merged_into = $2))
"""


@dataclass(frozen=True, slots=True)
class Patient:
    """A row of `patients`; `details` is sealed, None after erasure."""

    id: UUID
    channel: str
    language: str
    zone: str | None
    details: str | None
    answer_due: datetime
    created_at: datetime
    arranged_at: datetime | None = None
    treated_at: datetime | None = None
    closed_at: datetime | None = None
    erased_at: datetime | None = None
    merged_into: UUID | None = None


async def add_patients(
    conn: asyncpg.Connection,
    new: Sequence[Patient],
    keys: Sequence[WrappedKey],
    tasks: Sequence[NewTask],
    phones: Sequence[bytes],
    *,
    due: datetime,
    now: datetime,
) -> frozenset[bytes]:
    """Write new patients, the key of each and their tasks. Returns which of their numbers (as hashes) opted out."""
    rows = await conn.fetch(
        ADD_PATIENTS, [p.id for p in new], [p.channel for p in new], [p.language for p in new], [p.zone for p in new],
        [p.details for p in new], due, now, list(phones), [key.kid for key in keys], [key.wrapped for key in keys],
        *map(list, zip(*(task.row for task in tasks), strict=True)),
    )  # fmt: skip
    return frozenset(row["phone_hash"] for row in rows)


async def patient(conn: asyncpg.Connection, patient_id: UUID, *, lock: bool = False) -> Patient | None:
    """A patient, locked until the transaction ends where asked for."""
    row = await conn.fetchrow(LOCK_PATIENT if lock else PATIENT, patient_id)
    return None if row is None else Patient(*row.values())


async def meant(conn: asyncpg.Connection, patient_id: UUID, *, lock: bool = False) -> Patient | None:
    """Whom this id means: the patient, or the one who they turned out to be; locked where asked for, both."""
    found = await patient(conn, patient_id, lock=lock)
    if found is not None and found.merged_into is not None:
        found = await patient(conn, found.merged_into, lock=lock)
    return found


async def save_patient(conn: asyncpg.Connection, patient: Patient, now: datetime) -> None:
    """Write what may change."""
    await conn.execute(
        SAVE_PATIENT, patient.id, patient.details, patient.language, patient.zone, patient.answer_due,
        patient.closed_at, now,
    )  # fmt: skip


async def mark_arranged(conn: asyncpg.Connection, patient_id: UUID, at: datetime) -> None:
    """A first appointment stands."""
    await conn.execute(MARK_ARRANGED, patient_id, at)


async def mark_treated(conn: asyncpg.Connection, patient_id: UUID, at: datetime) -> None:
    """A dose was given."""
    await conn.execute(MARK_TREATED, patient_id, at)


async def erase_patient(conn: asyncpg.Connection, patient_id: UUID, at: datetime) -> None:
    """Blank the row and its addresses."""
    await conn.execute(MARK_ERASED, patient_id, at)
    await arrivals.drop_points(conn, patient_id)


async def blank_keys(conn: asyncpg.Connection, subjects: Sequence[UUID]) -> None:
    """Blank the keys that the log carries for patients, contacts and tasks; the log allows exactly that."""
    await conn.execute(ALLOW_BLANKING, "on")
    await conn.execute(BLANK_KEY, list(subjects))
    await conn.execute(ALLOW_BLANKING, "off")


async def has_open_task(conn: asyncpg.Connection, kind: str, subject: UUID) -> bool:
    """Whether somebody still has this to do, about them or about who was merged into them."""
    return bool(await conn.fetchval(OPEN_TASK, kind, subject))
