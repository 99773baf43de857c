"""The day of a session: the facts that its gates ask for, what happened, and who signed past what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from services.scheduling.domain.appointments import Appointment
from services.scheduling.domain.gates import Gate, Reading
from services.scheduling.domain.sessions import Need
from services.scheduling.repository import calendar
from services.scheduling.repository.calendar import APPOINTMENTS

CONSENT = """
insert into treatment_consents (consent_id, patient_id, route, signed_at, text_version) values ($1, $2, $3, $4, $5)
on conflict (consent_id) do update set signed_at = excluded.signed_at, text_version = excluded.text_version
"""
WITHDRAW = """
insert into treatment_consents (consent_id, patient_id, route, withdrawn) values ($1, $2, $3, true)
on conflict (consent_id) do update set withdrawn = true
"""
CONSENTED = """
select case when not withdrawn then text_version end from treatment_consents
 where patient_id = any($1::uuid[]) and route = $2 and signed_at is not null order by signed_at desc limit 1
"""

RAISE_CONCERN = """
insert into concerns (concern_id, patient_id, level) values ($1, $2, $3)
on conflict (concern_id) do update set level = excluded.level
"""
CLEAR_CONCERN = """
insert into concerns (concern_id, patient_id, cleared) values ($1, $2, true)
on conflict (concern_id) do update set cleared = true
"""
CONCERN = """
select exists (select from unnest($1::uuid[]) as p (id)
                cross join lateral (select from concerns c where c.patient_id = p.id and not c.cleared limit 1) c)
"""
# A course that waits for a clinician is planned as soon as the concern is cleared; where something else ended it (two
# people had been taken for one), within a minute.
WAIT_FOR_CLINICIAN = """
update courses set next_try = now() + interval '1 minute', reasons = '{concern-open}' where course_id = $1
"""
CLEARED = """
update courses set next_try = now(), reasons = '{}'
 where patient_id = any($1::uuid[]) and state = 'pending' and reasons = '{concern-open}'
"""

ADD_READING = """
insert into vitals (vitals_id, appointment_id, phase, taken_at, systolic, diastolic, heart_rate, spo2)
values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing
"""
# What was measured on an earlier day, or before the appointment moved, was measured before another dose.
READINGS = """
select vitals_id, phase, taken_at, systolic, diastolic, heart_rate, spo2 from vitals v
 where appointment_id = $1 and taken_at >= $2
   and not exists (select from rides r where r.appointment_id = v.appointment_id and r.since > v.taken_at)
 order by taken_at, vitals_id
"""

RIDE = """
insert into rides as r (appointment_id, confirmed) values ($1, true)
on conflict (appointment_id) do update set confirmed = true where r.since <= $2
"""
NO_RIDE = """
insert into rides (appointment_id, confirmed) values ($1, false)
on conflict (appointment_id) do update set confirmed = false
"""
RIDES = "select confirmed from rides where appointment_id = $1"
ANSWER = """
insert into preparation (appointment_id, item, ok, answered_at)
select $1, $2, $3, $4 where not exists (select from rides where appointment_id = $1 and since > $4)
on conflict (appointment_id, item) do update set ok = excluded.ok, answered_at = excluded.answered_at
"""
ANSWERS = "select item, ok from preparation where appointment_id = $1"
FORGET_RIDE = """
insert into rides (appointment_id, confirmed, since) values ($1, false, $2)
on conflict (appointment_id) do update set confirmed = false, since = excluded.since
"""
FORGET_ANSWERS = "delete from preparation where appointment_id = $1"

BEGIN = "insert into session_days (appointment_id, checked_in_at, attested) values ($1, $2, $3)"
ATTEST = """
update session_days set attested = array(select distinct unnest(attested || $2::text[]) order by 1)
 where appointment_id = $1
"""
DOSE = "update session_days set dosed_at = $2, prescriber_id = $3 where appointment_id = $1"
END = "update session_days set discharged_at = $2, escort_present = $3 where appointment_id = $1"
DAY = """
select checked_in_at, attested, dosed_at, prescriber_id, discharged_at from session_days where appointment_id = $1
"""

_NEEDS_THEM = """
 where state in ('booked', 'held', 'checked-in') and appointment_id <> $4 and appointment_id = any(array(
       select b.appointment_id
         from unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) as n (resource, starts_at, ends_at)
        cross join lateral (
              select k.appointment_id from bookings k
               where k.resource = n.resource and k.during && tstzrange(n.starts_at, n.ends_at) offset 0) b))
 order by starts_at, appointment_id
"""
NEEDS_THEM = APPOINTMENTS + _NEEDS_THEM

SIGN = """
insert into overrides (appointment_id, starts_at, gate, because, evidence, provider_id, licence, reason, signed_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing
"""
SIGNED = "select gate, because, evidence, provider_id from overrides where appointment_id = $1 and starts_at = $2"


@dataclass(frozen=True, slots=True)
class SessionDay:
    """What happened of a session so far."""

    checked_in_at: datetime
    attested: frozenset[str]
    dosed_at: datetime | None
    prescriber_id: str | None
    discharged_at: datetime | None


@dataclass(frozen=True, slots=True)
class Signed:
    """A gate that a provider signed past."""

    gate: str
    because: str
    evidence: str
    provider_id: str


async def consented(conn: asyncpg.Connection, patients: Sequence[UUID], route: str) -> str | None:
    """The version of the text under the newest signature for this route; None where there is none that still holds."""
    found: str | None = await conn.fetchval(CONSENTED, patients, route)
    return found


async def concern(conn: asyncpg.Connection, patients: Sequence[UUID]) -> bool:
    """Whether somebody worries about these people and no clinician has cleared it."""
    return bool(await conn.fetchval(CONCERN, patients))


async def readings(conn: asyncpg.Connection, appointment_id: UUID, since: datetime) -> tuple[Reading, ...]:
    """The appointment's vitals from `since` on, at the time that it has now; in order of time."""
    return tuple(
        Reading(
            id=row["vitals_id"],
            phase=row["phase"],
            taken_at=row["taken_at"],
            systolic=row["systolic"],
            diastolic=row["diastolic"],
            heart_rate=row["heart_rate"],
            spo2=row["spo2"],
        )
        for row in await conn.fetch(READINGS, appointment_id, since)
    )


async def ride(conn: asyncpg.Connection, appointment_id: UUID) -> bool:
    """Whether somebody takes the patient home."""
    return bool(await conn.fetchval(RIDES, appointment_id))


async def answers(conn: asyncpg.Connection, appointment_id: UUID) -> dict[str, bool]:
    """What the patient answered, by item."""
    return {row["item"]: row["ok"] for row in await conn.fetch(ANSWERS, appointment_id)}


async def forget_answers(conn: asyncpg.Connection, appointment_id: UUID, moved_at: datetime) -> None:
    """The appointment moved: ride and preparation were for another time."""
    await conn.execute(FORGET_RIDE, appointment_id, moved_at)
    await conn.execute(FORGET_ANSWERS, appointment_id)


async def day(conn: asyncpg.Connection, appointment_id: UUID) -> SessionDay | None:
    """What happened so far; None before the patient came."""
    row = await conn.fetchrow(DAY, appointment_id)
    if row is None:
        return None
    return SessionDay(
        checked_in_at=row["checked_in_at"],
        attested=frozenset(row["attested"]),
        dosed_at=row["dosed_at"],
        prescriber_id=row["prescriber_id"],
        discharged_at=row["discharged_at"],
    )


async def needing(conn: asyncpg.Connection, needs: Sequence[Need], but: UUID) -> list[Appointment]:
    """What stands where these are needed, but for this appointment."""
    spans = [need.span for need in needs]
    resources = [need.resource for need in needs]
    return await calendar.many(
        conn, NEEDS_THEM, resources, [one.start for one in spans], [one.end for one in spans], but
    )


async def sign(conn: asyncpg.Connection, one: Appointment, gate: Gate, *by: Any) -> None:
    """Keep a signature past a gate as it stands. `by`: provider, licence, sealed reason, moment."""
    await conn.execute(SIGN, one.id, one.starts_at, gate.code, gate.because, gate.evidence, *by)


async def signed(conn: asyncpg.Connection, one: Appointment) -> list[Signed]:
    """Every signature past a gate of this appointment at the time that it has now."""
    return [Signed(*row.values()) for row in await conn.fetch(SIGNED, one.id, one.starts_at)]
