"""Every statement on `inbox` and `parked`: where this service stands with each producer's subjects.

The guard is compare-and-set: a run of events is applied only if the position is exactly the one before it. Comparing
with "older than" instead lets a zombie and its successor both apply overlapping batches.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from shared.contracts.base import SOURCES, Source

NUMBER: dict[Source, int] = {source: number for number, source in enumerate(SOURCES, start=1)}
NAME: dict[int, Source] = {number: source for source, number in NUMBER.items()}

# Each row is looked up by itself, which is what a scalar is for: `exists` may be answered by reading all positions, or
# all keys, once for a batch, by a plan that was made when there were few.
MOVE = """
with run as materialized (
    select * from unnest($1::smallint[], $2::uuid[], $3::bigint[], $4::bigint[], $5::uuid[], $6::boolean[])
        as r(source, subject, prior, sequence, patient, arrives)
), moved as (
    insert into inbox as b (source, subject, prior, sequence)
    select r.source, r.subject, r.prior, r.sequence from run r
     where (r.prior = 0 or (select true from inbox o where (o.source, o.subject) = (r.source, r.subject)))
       and (r.patient is null or r.arrives
            or (select true from patient_keys k where k.subject = r.patient)
            or (select true from tombstones t where t.subject = r.patient))
     order by 1, 2
    on conflict (source, subject) do update set prior = excluded.prior, sequence = excluded.sequence
     where b.sequence = excluded.prior
    returning b.source, b.subject
)
select m.source, m.subject, exists (select from tombstones t where t.subject = r.patient) as erased
  from moved m join run r using (source, subject)
"""
TOUCH = "insert into inbox (source, subject, prior, sequence) values ($1, $2, 0, 0) on conflict do nothing"
LOCK = "select sequence from inbox where source = $1 and subject = $2 for update"
ADVANCE = "update inbox set prior = sequence, sequence = $3 where source = $1 and subject = $2"
PARK = """
insert into parked (source, subject, sequence, reason, headers, body) values ($1, $2, $3, $4, $5::text::jsonb, $6)
on conflict (source, subject, sequence) do nothing
"""
WAITING = """
select source, subject, sequence, reason, headers::text as headers, body from parked
 where subject = any($1::uuid[]) order by subject, source, sequence
"""
UNPARK = "delete from parked where source = $1 and subject = $2 and sequence <= $3"
# The predecessor is missing where it is neither applied nor waiting itself nor given up. Positions are looked up one by
# one, here and below: joined, the plan that is made while few are known reads those of everybody.
GAPS = """
select source, subject, missing from (
    select p.source, p.subject, coalesce(max(i.sequence), 0) + 1 as missing, min(p.sequence) as first
      from parked p
      left join lateral (select sequence from inbox
                          where (inbox.source, inbox.subject) = (p.source, p.subject) limit 1) i on true
     where p.parked_at < clock_timestamp() - interval '5 seconds' and p.sequence > coalesce(i.sequence, 0)
     group by p.source, p.subject) waits
 where first > missing
   and not exists (select from dead_letters d
                    where d.resolved_at is null
                      and (d.source, d.subject, d.sequence) = (waits.source, waits.subject, waits.missing))
 limit 1000
"""
# Whoever brought what these needed released them, unless it died before it could or looked before they were parked. Any
# of them, for some wait for what nobody has said yet.
OVERDUE = """
select p.subject
  from parked p
  left join lateral (select sequence from inbox
                      where (inbox.source, inbox.subject) = (p.source, p.subject) limit 1) i on true
 where p.parked_at < clock_timestamp() - interval '5 seconds' and p.sequence <= coalesce(i.sequence, 0) + 1
   and not exists (select from dead_letters d
                    where d.resolved_at is null
                      and (d.source, d.subject, d.sequence) = (p.source, p.subject, p.sequence))
 order by random() limit 100
"""
DEAD = """
select distinct source, subject from dead_letters
 where resolved_at is null and (source, subject) in (select * from unnest($1::smallint[], $2::uuid[]))
"""


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive events of one subject: after `prior`, up to and with `last`.

    They are about `patient`, who must be known here unless the events themselves bring them (`arrives`).
    """

    source: int
    subject: UUID
    prior: int
    last: int
    patient: UUID | None = None
    arrives: bool = False


@dataclass(frozen=True, slots=True)
class Parked:
    """An event that waits, as it came."""

    source: int
    subject: UUID
    sequence: int
    reason: str
    headers: str
    body: bytes


async def move(conn: asyncpg.Connection, runs: Sequence[Run]) -> dict[tuple[int, UUID], bool]:
    """Move all positions that stand exactly before their run, of patients who are known here.

    Returns those that moved, now locked, and whether their patient was erased.
    """
    rows = await conn.fetch(
        MOVE,
        [r.source for r in runs],
        [r.subject for r in runs],
        [r.prior for r in runs],
        [r.last for r in runs],
        [r.patient for r in runs],
        [r.arrives for r in runs],
    )
    return {(row["source"], row["subject"]): row["erased"] for row in rows}


async def lock(conn: asyncpg.Connection, source: int, subject: UUID) -> int:
    """The position of a subject, locked; 0 when nothing of it has been applied."""
    await conn.execute(TOUCH, source, subject)
    return int(await conn.fetchval(LOCK, source, subject))


async def advance(conn: asyncpg.Connection, source: int, subject: UUID, sequence: int) -> None:
    """Move a position that this transaction has locked."""
    await conn.execute(ADVANCE, source, subject, sequence)


async def park(conn: asyncpg.Connection, event: Parked) -> bool:
    """Keep an event until its turn; False when it is there already."""
    done = await conn.execute(
        PARK, event.source, event.subject, event.sequence, event.reason, event.headers, event.body
    )
    return bool(done == "INSERT 0 1")


async def waiting(conn: asyncpg.Connection, subjects: Collection[UUID]) -> list[Parked]:
    """What is parked for these subjects, each source's in order."""
    return [Parked(*row.values()) for row in await conn.fetch(WAITING, list(subjects))]


async def unpark(conn: asyncpg.Connection, source: int, subject: UUID, up_to: int) -> None:
    """Forget what has been applied."""
    await conn.execute(UNPARK, source, subject, up_to)


async def blocked(conn: asyncpg.Connection, keys: Collection[tuple[int, UUID]]) -> set[tuple[int, UUID]]:
    """Which of these subjects have an open dead letter."""
    rows = await conn.fetch(DEAD, [source for source, _ in keys], [subject for _, subject in keys])
    return {(row["source"], row["subject"]) for row in rows}


async def gaps(conn: asyncpg.Connection) -> dict[tuple[int, UUID], int]:
    """Subjects that have waited for a missing predecessor, and its sequence."""
    return {(row["source"], row["subject"]): row["missing"] for row in await conn.fetch(GAPS)}


async def overdue(conn: asyncpg.Connection) -> set[UUID]:
    """Some of the subjects whose next event has been parked for a while, though nothing before it is missing."""
    return {row["subject"] for row in await conn.fetch(OVERDUE)}
