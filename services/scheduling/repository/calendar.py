"""The calendar: appointments, what they take, courses, approvals. A function runs one statement and maps its rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from services.scheduling.domain import house
from services.scheduling.domain.appointments import Appointment
from services.scheduling.domain.sessions import Need
from services.scheduling.domain.spans import Span, Spans, merge
from services.scheduling.rows import appointment, values
from shared.contracts.assessment import CandidateApproved, Route
from shared.contracts.base import Source
from shared.inbox.hearing import waits

# A statement that sorts its rows and never waits inside one row while holding a later one cannot deadlock with itself.
# Whether somebody is away is looked up for each: by `not exists` the plan of an empty house reads all absences.
BOOK = """
insert into bookings (resource, during, appointment_id)
select n.resource, tstzrange(n.starts_at, n.ends_at), n.appointment_id
  from unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::uuid[])
       as n (resource, starts_at, ends_at, appointment_id)
 where (select true from busy b
         where b.resource = n.resource and b.during && tstzrange(n.starts_at, n.ends_at) limit 1) is null
 order by n.resource, n.starts_at
on conflict do nothing
returning resource, lower(during) as starts_at
"""
# Shared by whoever books these people, alone for whoever writes down that one is away: each sees what the other wrote.
ATTEND = """
select pg_advisory_xact_lock_shared(hashtext(current_schema()), r.key)
  from (select distinct hashtext(u.resource) as key from unnest($1::text[]) as u (resource) order by 1) r
"""
RELEASE = "delete from bookings where appointment_id = $1"
TAKEN = """
select resource, lower(during) as starts_at, upper(during) as ends_at, false as away
  from bookings where resource = any($1::text[]) and during && tstzrange($2, $3)
   and ($4::uuid is null or appointment_id <> $4)
union all
select resource, lower(during), upper(during), true
  from busy where resource = any($1::text[]) and during && tstzrange($2, $3)
"""
ADD = """
insert into appointments (appointment_id, patient_id, kind, state, starts_at, ends_at, zone, provider_id, room_id,
    monitor_id, mode, booked_by, revision, policy_hash, course_id, approval_id, number, of_total, route, dose_at,
    room_until)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
"""
SAVE = """
update appointments set state = $2, starts_at = $3, ends_at = $4, provider_id = $5, room_id = $6, monitor_id = $7,
    revision = $8, policy_hash = $9, dose_at = $10, room_until = $11
 where appointment_id = $1
"""
# By name, here and below: a statement that was prepared with `*` fails once when a migration adds a column beside it.
APPOINTMENTS = """
select appointment_id, patient_id, kind, state, starts_at, ends_at, zone, provider_id, room_id, monitor_id, mode,
       booked_by, revision, policy_hash, course_id, approval_id, number, of_total, route, dose_at, room_until
  from appointments
"""
FIND = APPOINTMENTS + "where appointment_id = $1"
LOCK = APPOINTMENTS + "where appointment_id = $1 for update"
# Each patient's by themselves (`offset`): for `any` the plan of an empty house reads everybody's.
_EACH = "select theirs.* from (select distinct unnest($1::uuid[])) as p (id) cross join lateral ("
_THEIRS = "where patient_id = p.id offset 0) theirs order by starts_at, appointment_id"
OF_PATIENTS = _EACH + APPOINTMENTS + _THEIRS
OF_COURSE = APPOINTMENTS + "where course_id = $1 order by number, appointment_id"
_AHEAD = "and state in ('booked', 'held', 'checked-in') order by appointment_id for update"
AHEAD_OF_APPROVAL = APPOINTMENTS + "where approval_id = $1 " + _AHEAD
AHEAD_OF_PATIENT = APPOINTMENTS + "where patient_id = $1 " + _AHEAD
_NOT_CANCELLED = "where starts_at >= $1 and starts_at < $2 and state <> 'cancelled' order by starts_at, appointment_id"
BETWEEN = APPOINTMENTS + _NOT_CANCELLED
OVERLAPS = """
select a.appointment_id from appointments a
 where a.patient_id = any($1::uuid[]) and a.state in ('booked', 'held')
   and exists (select from appointments o
                where o.patient_id = any($1::uuid[]) and o.state in ('booked', 'held')
                  and o.patient_id <> a.patient_id and o.starts_at < a.ends_at and a.starts_at < o.ends_at)
 order by a.starts_at limit 1
"""

KNOW_PATIENT = "insert into patients (patient_id) values ($1) on conflict do nothing"
FIND_PATIENT = "select erased from patients where patient_id = $1"
MERGE = """
insert into patients (patient_id, merged_into) values ($1, $2)
on conflict (patient_id) do update set merged_into = excluded.merged_into
"""
# Of two patients' events either may come first: who has been merged into a third since stays so.
UNMERGE = "update patients set merged_into = null where patient_id = $1 and merged_into = $2"
ERASE = (
    "insert into patients (patient_id, erased) values ($1, true) on conflict (patient_id) do update set erased = true"
)
# What was booked while two ids meant one person took both.
PART = """
delete from bookings b using appointments a
 where a.appointment_id = b.appointment_id and b.resource = any($1::text[]) and a.patient_id = any($2::uuid[])
"""
# UNION, not UNION ALL: a circle of merges ends too. Step by step (`limit`, `offset`): the plan of a join that is made
# while few are known reads all patients for each of these questions, and there is one for most events.
FAMILY = """
with recursive up as (
    select p.patient_id, p.merged_into from patients p where p.patient_id = $1
    union
    select p.patient_id, p.merged_into
      from up cross join lateral (
           select patient_id, merged_into from patients m where m.patient_id = up.merged_into limit 1) p
), down as (
    select $1::uuid as patient_id
    union
    select patient_id from up
    union
    select p.patient_id
      from down d cross join lateral (
           select patient_id from patients m where m.merged_into = d.patient_id offset 0) p
)
select patient_id from down order by patient_id
"""

ADD_APPROVAL = """
insert into approvals (approval_id, patient_id, assessment_id, assessment_version, assessment_hash, route, sessions,
    provider_id, signed_at, valid_until, policy_hash)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict do nothing
"""
END_APPROVAL = "update approvals set state = $2 where approval_id = $1 and state = 'current' returning patient_id"
OTHER_APPROVALS = """
select approval_id, signed_at from approvals where patient_id = any($1::uuid[]) and approval_id <> $2
   and state = 'current' order by approval_id for update
"""
APPROVAL = """
select approval_id, patient_id, route, sessions, provider_id, valid_until, state from approvals where approval_id = $1
"""
LOCK_APPROVAL = APPROVAL + "for share"

ADD_COURSE = """
insert into courses (course_id, approval_id, patient_id, journey, cause) values ($1, $2, $3, $4, $5)
on conflict do nothing
"""
STOP_COURSE = "update courses set state = 'stopped' where approval_id = $1"
STOP_COURSES_OF = "update courses set state = 'stopped' where patient_id = $1"
COURSES = "select course_id, approval_id, patient_id, state, reasons, journey, cause from courses "
NEXT_COURSE = COURSES + "where state = 'pending' and next_try <= now() order by next_try limit 1"
LOCK_COURSE = COURSES + "where course_id = $1 for update"
SETTLE_COURSE = "update courses set state = $2, reasons = $3 where course_id = $1"
POSTPONE_COURSE = "update courses set next_try = now() + interval '1 minute' where course_id = $1 and state = 'pending'"
WAITING_COURSE = COURSES + "where approval_id = $1 and state in ('pending', 'infeasible')"
AGAIN = """
update courses set state = 'pending', next_try = now(), reasons = '{}' where approval_id = $1 and state = 'infeasible'
returning course_id
"""
COURSES_OF = """
select c.course_id, c.approval_id, c.state, c.reasons, a.route, a.sessions, a.valid_until, a.state as approval
  from courses c join approvals a using (approval_id) where c.patient_id = any($1::uuid[]) order by a.signed_at
"""

# What a service said of these people and was not applied here: it may be that an approval was taken back.
CLAIM_REQUEST = """
insert into requests (actor, key, digest, appointment_id) values ($1, $2, $3, $4) on conflict do nothing returning true
"""
FIND_REQUEST = "select digest, appointment_id from requests where actor = $1 and key = $2"


@dataclass(frozen=True, slots=True)
class Approval:
    """A signature as scheduling keeps it."""

    approval_id: UUID
    patient_id: UUID
    route: Route
    sessions: int
    provider_id: str
    valid_until: datetime
    state: str


@dataclass(frozen=True, slots=True)
class Course:
    """A course to be planned, or planned."""

    course_id: UUID
    approval_id: UUID
    patient_id: UUID
    state: str
    reasons: tuple[str, ...]
    journey: UUID
    cause: UUID | None


@dataclass(frozen=True, slots=True)
class Ledger:
    """What is taken: `taken` by anything, `away` by other systems' calendars only."""

    taken: dict[str, Spans]
    away: dict[str, Spans]


async def book(conn: asyncpg.Connection, needs: Sequence[tuple[UUID, Need]]) -> list[Need]:
    """Take all of these in one statement. Returns what could not be had; the caller then rolls everything back."""
    await attend(conn, [need.resource for _, need in needs if house.is_person(need.resource)])
    rows = await conn.fetch(
        BOOK,
        [need.resource for _, need in needs],
        [need.span.start for _, need in needs],
        [need.span.end for _, need in needs],
        [appointment_id for appointment_id, _ in needs],
    )
    got = {(row["resource"], row["starts_at"]) for row in rows}
    return [need for _, need in needs if (need.resource, need.span.start) not in got]


async def attend(conn: asyncpg.Connection, people: Sequence[str]) -> None:
    """From now until commit nobody can write down that one of them is away."""
    await conn.execute(ATTEND, people)


async def release(conn: asyncpg.Connection, appointment_id: UUID) -> None:
    """Give back everything an appointment takes."""
    await conn.execute(RELEASE, appointment_id)


async def ledger(
    conn: asyncpg.Connection, resources: Sequence[str], start: datetime, end: datetime, but: UUID | None = None
) -> Ledger:
    """What is taken of these resources between two moments, by anything but this appointment."""
    taken: dict[str, list[Span]] = {}
    away: dict[str, list[Span]] = {}
    for row in await conn.fetch(TAKEN, list(resources), start, end, but):
        span = Span(row["starts_at"], row["ends_at"])
        taken.setdefault(row["resource"], []).append(span)
        if row["away"]:
            away.setdefault(row["resource"], []).append(span)
    return Ledger(
        {resource: merge(spans) for resource, spans in taken.items()},
        {resource: merge(spans) for resource, spans in away.items()},
    )


async def add(conn: asyncpg.Connection, appointments: Iterable[Appointment]) -> None:
    """Keep new appointments."""
    await conn.executemany(ADD, [values(one) for one in appointments])


async def save(conn: asyncpg.Connection, appointment: Appointment) -> None:
    """Keep what can change of an appointment."""
    session = appointment.session
    await conn.execute(
        SAVE,
        appointment.id,
        appointment.state.value,
        appointment.starts_at,
        appointment.ends_at,
        appointment.provider_id,
        appointment.room_id,
        appointment.monitor_id,
        appointment.revision,
        appointment.policy_hash,
        session and session.dose_at,
        session and session.room_until,
    )


async def find(conn: asyncpg.Connection, appointment_id: UUID, *, lock: bool = False) -> Appointment | None:
    """One appointment; with `lock` nobody else changes it until commit."""
    row = await conn.fetchrow(LOCK if lock else FIND, appointment_id)
    return None if row is None else appointment(row)


async def many(conn: asyncpg.Connection, statement: str, *arguments: Any) -> list[Appointment]:
    """The appointments that one of this module's statements finds."""
    return [appointment(row) for row in await conn.fetch(statement, *arguments)]


async def family(conn: asyncpg.Connection, patient_id: UUID) -> list[UUID]:
    """Every id that means this person, sorted; at least the one asked for."""
    return [row["patient_id"] for row in await conn.fetch(FAMILY, patient_id)]


async def part(conn: asyncpg.Connection, some: Sequence[UUID], others: Sequence[UUID]) -> None:
    """They are not one person: what these have booked takes nothing of the others', either way."""
    for mine, theirs in ((some, others), (others, some)):
        await conn.execute(PART, [house.patient_id(one) for one in mine], theirs)


async def unheard(conn: asyncpg.Connection, patients: Sequence[UUID], source: Source = "assessment") -> bool:
    """Whether something that this service said of these people still waits to be applied."""
    return await waits(conn, source, patients)


async def add_approval(conn: asyncpg.Connection, event: CandidateApproved) -> None:
    """Keep a signature."""
    await conn.execute(
        ADD_APPROVAL,
        event.approval_id,
        event.patient_id,
        event.assessment_id,
        event.assessment_version,
        event.assessment_hash,
        event.route.value,
        event.sessions,
        event.provider_id,
        event.signed_at,
        event.valid_until,
        event.policy_hash,
    )


async def approval(conn: asyncpg.Connection, approval_id: UUID, *, lock: bool = False) -> Approval | None:
    """A signature; with `lock` it can't be revoked until commit."""
    row = await conn.fetchrow(LOCK_APPROVAL if lock else APPROVAL, approval_id)
    if row is None:
        return None
    return Approval(
        approval_id=row["approval_id"],
        patient_id=row["patient_id"],
        route=Route(row["route"]),
        sessions=row["sessions"],
        provider_id=row["provider_id"],
        valid_until=row["valid_until"],
        state=row["state"],
    )


async def course(conn: asyncpg.Connection, statement: str, *arguments: Any) -> Course | None:
    """The course that one of this module's statements finds."""
    row = await conn.fetchrow(statement, *arguments)
    if row is None:
        return None
    return Course(
        course_id=row["course_id"],
        approval_id=row["approval_id"],
        patient_id=row["patient_id"],
        state=row["state"],
        reasons=tuple(row["reasons"]),
        journey=row["journey"],
        cause=row["cause"],
    )


async def claim(
    conn: asyncpg.Connection, actor: str, key: str, digest: bytes, appointment_id: UUID
) -> tuple[bytes, UUID] | None:
    """Use an idempotency key; None when it is ours now, else the digest and the appointment of its first use."""
    if await conn.fetchval(CLAIM_REQUEST, actor, key, digest, appointment_id):
        return None
    row = await conn.fetchrow(FIND_REQUEST, actor, key)
    return row["digest"], row["appointment_id"]
