"""SQL: appointments, the way home, and the answers on preparation."""

from collections.abc import Collection
from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg

from services.notifications.rows import VisitRow, VisitState

_ALL = """
select id, patient_id, kind, course_id, number, of, starts_at, dose_at, ends_at, zone, revision, state, transport,
       escort, mode, external, escort_round, escort_link, escort_phone, escort_said, ride_revision
  from visits
"""
ADD = """
insert into visits (id, patient_id, kind, course_id, number, of, starts_at, dose_at, ends_at, zone, mode,
                    external)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
on conflict (id) do nothing
returning id
"""
FIND = _ALL + " where id = $1"
LOCK = _ALL + " where id = $1 for update"
# One after the other (`offset`): for `any` the plan of an empty house reads everybody's, for every message.
_EACH = "select found.* from (select distinct unnest($1::uuid[])) as p (wanted) cross join lateral ("
OF_PATIENT = _EACH + _ALL + " where patient_id = p.wanted offset 0) found order by starts_at"
OF_COURSE = _ALL + " where course_id = $1 order by starts_at"
SOME = _EACH + _ALL + " where id = p.wanted offset 0) found order by starts_at"
MOVE = """
update visits set starts_at = $2, dose_at = coalesce($3, dose_at + ($2 - starts_at)), ends_at = $4, zone = $5,
       revision = $6, state = 'ahead'
 where id = $1
"""
STATE = "update visits set state = $2 where id = $1"
LEFT = "update visits set ends_at = greatest(starts_at, $2) where id = $1"
TRANSPORT = """
update visits set transport = $2, escort = coalesce($3, escort), ride_revision = revision where id = $1
"""
ASK_AGAIN = """
update visits set transport = 'open', escort = null, escort_link = null, escort_phone = null, escort_said = null,
       escort_round = escort_round + 1
 where id = $1
"""
FORGET = "update visits set escort = null, escort_link = null, escort_phone = null where patient_id = $1"
NAME_ESCORT = """
update visits set escort_round = $2, escort_link = $3, escort_phone = $4, escort_said = null where id = $1
"""
ESCORT_PHONE = "update visits set escort_phone = $2 where id = $1"
ESCORT_SAID = "update visits set escort_said = $2 where id = $1"
ESCORT_DECLINED = """
update visits set transport = 'missing', escort = null, escort_link = null, escort_phone = null, escort_said = 'no',
       escort_round = escort_round + 1
 where id = $1
"""
# Ahead, and somebody was or is to be texted about its ride on a number with this mark.
ESCORTED_FROM = (
    """
select found.* from (
    select distinct visit_id from messages where kind = 'escort_invite' and right(occurrence, 8) = $1
) as p (wanted) cross join lateral ("""  # noqa: S608 - constants of this module
    + _ALL
    + " where id = p.wanted and state = 'ahead' and ends_at > $2 offset 0) found order by starts_at"
)
ANSWER = """
insert into preparation (visit_id, item, ok, answered_at) values ($1, $2, $3, $4)
on conflict (visit_id, item) do update set ok = excluded.ok, answered_at = excluded.answered_at
 where preparation.ok is distinct from excluded.ok
returning item
"""
ANSWERS = "select item, ok from preparation where visit_id = $1"
UNANSWER = "delete from preparation where visit_id = $1"


def _visit(row: asyncpg.Record) -> VisitRow:
    return VisitRow(
        id=row["id"],
        patient_id=row["patient_id"],
        kind=row["kind"],
        course_id=row["course_id"],
        number=row["number"],
        of=row["of"],
        starts_at=row["starts_at"],
        dose_at=row["dose_at"],
        ends_at=row["ends_at"],
        zone=row["zone"],
        revision=row["revision"],
        state=row["state"],
        transport=row["transport"],
        escort=row["escort"],
        mode=row["mode"],
        external=row["external"],
        escort_round=row["escort_round"],
        escort_link=row["escort_link"],
        escort_phone=row["escort_phone"],
        escort_said=row["escort_said"],
        ride_revision=row["ride_revision"],
    )


async def add(conn: asyncpg.Connection, visit: VisitRow) -> bool:
    """Keep a new appointment; False when it is known."""
    made = await conn.fetchval(
        ADD,
        visit.id,
        visit.patient_id,
        visit.kind,
        visit.course_id,
        visit.number,
        visit.of,
        visit.starts_at,
        visit.dose_at,
        visit.ends_at,
        visit.zone,
        visit.mode,
        visit.external,
    )
    return made is not None


async def find(conn: asyncpg.Connection, visit_id: UUID, *, lock: bool = False) -> VisitRow | None:
    """An appointment, locked until the transaction ends where asked."""
    row = await conn.fetchrow(LOCK if lock else FIND, visit_id)
    return _visit(row) if row is not None else None


async def of_patients(conn: asyncpg.Connection, patient_ids: Collection[UUID]) -> list[VisitRow]:
    """All appointments of these patients, the earliest first."""
    return [_visit(row) for row in await conn.fetch(OF_PATIENT, list(patient_ids))]


async def of_course(conn: asyncpg.Connection, course_id: UUID) -> list[VisitRow]:
    """A course's appointments, the earliest first."""
    return [_visit(row) for row in await conn.fetch(OF_COURSE, course_id)]


async def some(conn: asyncpg.Connection, visit_ids: Collection[UUID]) -> list[VisitRow]:
    """These appointments, the earliest first."""
    return [_visit(row) for row in await conn.fetch(SOME, list(visit_ids))]


async def move(
    conn: asyncpg.Connection,
    visit_id: UUID,
    *,
    starts_at: datetime,
    dose_at: datetime | None,
    ends_at: datetime,
    zone: str,
    revision: int,
) -> None:
    """The same appointment at another time; an unknown dose moves along."""
    await conn.execute(MOVE, visit_id, starts_at, dose_at, ends_at, zone, revision)


async def set_state(conn: asyncpg.Connection, visit_id: UUID, state: VisitState) -> None:
    """What became of it."""
    await conn.execute(STATE, visit_id, state)


async def left(conn: asyncpg.Connection, visit_id: UUID, at: datetime) -> None:
    """When they really went home."""
    await conn.execute(LEFT, visit_id, at)


async def set_transport(conn: asyncpg.Connection, visit_id: UUID, state: str, escort: str | None) -> None:
    """What is known of the way home; a name that is known stays where none is given."""
    await conn.execute(TRANSPORT, visit_id, state, escort)


async def ask_again(conn: asyncpg.Connection, visit_id: UUID) -> None:
    """Another day needs another answer: who could come then may not be able to now."""
    await conn.execute(ASK_AGAIN, visit_id)


async def unanswer(conn: asyncpg.Connection, visit_id: UUID) -> None:
    """What was said of the preparation was said of the clock times of another hour."""
    await conn.execute(UNANSWER, visit_id)


async def name_escort(conn: asyncpg.Connection, visit_id: UUID, round_: int, link: str, phone: str | None) -> None:
    """Who takes them home has a link (sealed), and perhaps a phone (sealed); they have not answered yet."""
    await conn.execute(NAME_ESCORT, visit_id, round_, link, phone)


async def escorted_from(conn: asyncpg.Connection, mark: str, now: datetime) -> list[VisitRow]:
    """Visits ahead for whose ride a number with this mark was asked; whoever asks compares the number itself."""
    return [_visit(row) for row in await conn.fetch(ESCORTED_FROM, mark, now)]


async def set_escort_phone(conn: asyncpg.Connection, visit_id: UUID, phone: str) -> None:
    """Where they are reached (sealed)."""
    await conn.execute(ESCORT_PHONE, visit_id, phone)


async def set_escort_said(conn: asyncpg.Connection, visit_id: UUID, said: Literal["yes"] | None) -> None:
    """Their own word; none, where they are asked anew."""
    await conn.execute(ESCORT_SAID, visit_id, said)


async def escort_declined(conn: asyncpg.Connection, visit_id: UUID) -> None:
    """They can't: nobody takes the patient home, and their link is used up."""
    await conn.execute(ESCORT_DECLINED, visit_id)


async def forget_escorts(conn: asyncpg.Connection, patient_id: UUID) -> None:
    """The names go with the patient."""
    await conn.execute(FORGET, patient_id)


async def answer(conn: asyncpg.Connection, visit_id: UUID, item: str, ok: bool, at: datetime) -> bool:
    """Keep the patient's word on an item; False when it says nothing new."""
    return await conn.fetchval(ANSWER, visit_id, item, ok, at) is not None


async def answers(conn: asyncpg.Connection, visit_id: UUID) -> dict[str, bool]:
    """The last word on each item."""
    return {row["item"]: row["ok"] for row in await conn.fetch(ANSWERS, visit_id)}
