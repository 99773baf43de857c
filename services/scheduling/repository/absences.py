"""Who is away: as another system's calendar says, or as a person wrote down here."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

import asyncpg

from services.scheduling.domain import house
from services.scheduling.repository.calendar import APPOINTMENTS

# Waits for whoever books them at this moment: what they book is seen, and the next who books sees that they are away.
ALONE = "select pg_advisory_xact_lock(hashtext(current_schema()), hashtext($1))"
AIRWAY = "airway"
"""Who books or plans a session shares it; who writes down that somebody is away, or is not, has it alone."""
KEEP = """
insert into busy (busy_id, resource, during) values ($1, $2, tstzrange($3, $4))
on conflict (busy_id) do update set resource = excluded.resource, during = excluded.during
"""
NOTE = """
insert into busy (busy_id, resource, during, noted_by) values ($1, $2, tstzrange($3, $4), $5)
on conflict (resource, during) where noted_by is not null do nothing returning busy_id
"""
NOTED = "select busy_id from busy where resource = $1 and during = tstzrange($2, $3) and noted_by is not null"
DROP = "delete from busy where busy_id = $1"
_ALL = """
select b.busy_id, b.resource, lower(b.during) as starts_at, upper(b.during) as ends_at, b.noted_by,
       array(select distinct a.appointment_id
               from bookings k
              cross join lateral (select appointment_id, state, ends_at from appointments
                                   where appointments.appointment_id = k.appointment_id limit 1) a
              where k.resource = b.resource and k.during && b.during and a.state in ('booked', 'held')
                and a.ends_at > $1
              order by a.appointment_id) as in_the_way
  from busy b
"""
FIND = _ALL + " where b.busy_id = $2"
LOCK = _ALL + " where b.busy_id = $2 for update of b"
BETWEEN = _ALL + " where b.during && tstzrange($2, $3) order by lower(b.during), b.busy_id"
# Found first and then looked up (`any`): by `in` all appointments would be read and compared.
_IN_THE_WAY = """
 where appointment_id = any(array(select b.appointment_id from bookings b
                                   where b.resource = $1 and b.during && tstzrange($2, $3)))
   and state in ('booked', 'held') order by starts_at, appointment_id
"""
OVER = APPOINTMENTS + _IN_THE_WAY
_RUNNING = """
 where kind = 'session' and dose_at < $2 and ends_at > $1 and ends_at > $3
   and state in ('booked', 'held', 'checked-in', 'dosed') order by starts_at, appointment_id
"""
RUNNING = APPOINTMENTS + _RUNNING


@dataclass(frozen=True, slots=True)
class Absence:
    """Somebody is away, in UTC. `noted_by` wrote it down here; without, another calendar says so.

    `in_the_way` are the appointments that stood in that time when it was read, but for those that were over.
    """

    id: UUID
    person_id: str
    starts_at: datetime
    ends_at: datetime
    noted_by: str | None = None
    in_the_way: tuple[UUID, ...] = ()

    def same_as(self, other: Self) -> bool:
        """Whether both are about the same person and time."""
        mine, theirs = (self.person_id, self.starts_at, self.ends_at), (other.person_id, other.starts_at, other.ends_at)
        return mine == theirs


async def alone(conn: asyncpg.Connection) -> None:
    """Nobody else changes until commit who is away, and no session is booked on what was seen before."""
    await conn.execute(ALONE, AIRWAY)


async def keep(conn: asyncpg.Connection, away: Absence) -> None:
    """What another calendar says now."""
    await conn.execute(ALONE, house.person_id(away.person_id))
    await conn.execute(KEEP, away.id, house.person_id(away.person_id), away.starts_at, away.ends_at)


async def note(conn: asyncpg.Connection, away: Absence) -> UUID:
    """What a person wrote down; the id under which it stands, which is another where it stood already."""
    resource = house.person_id(away.person_id)
    await conn.execute(ALONE, resource)
    made = await conn.fetchval(NOTE, away.id, resource, away.starts_at, away.ends_at, away.noted_by)
    found: UUID = made or await conn.fetchval(NOTED, resource, away.starts_at, away.ends_at)
    return found


async def find(conn: asyncpg.Connection, absence_id: UUID, now: datetime, *, lock: bool = False) -> Absence | None:
    """One of them; with `lock` nobody else changes it until commit."""
    row = await conn.fetchrow(LOCK if lock else FIND, now, absence_id)
    return None if row is None else _absence(row)


async def drop(conn: asyncpg.Connection, absence_id: UUID) -> None:
    await conn.execute(DROP, absence_id)


async def between(conn: asyncpg.Connection, start: datetime, end: datetime, now: datetime) -> list[Absence]:
    """All that touch this time, in order."""
    return [_absence(row) for row in await conn.fetch(BETWEEN, now, start, end)]


def _absence(row: asyncpg.Record) -> Absence:
    return Absence(
        id=row["busy_id"],
        person_id=house.plain(row["resource"]),
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        noted_by=row["noted_by"],
        in_the_way=tuple(row["in_the_way"]),
    )
