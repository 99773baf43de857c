"""What consumers still need of a broker that forgot it, asked of each producer's relay.

The promise: after `recover`, every event that some consumer has not applied will be published again; what all consumers
have applied is left alone, so that a start doesn't grow with history. Needs the owner's rights: it looks into all
schemas.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from shared.contracts.base import SOURCES, Source
from shared.contracts.readers import READS, read_from
from shared.db.migrate import fill
from shared.inbox.positions import NUMBER

READERS: dict[Source, tuple[str, ...]] = {
    source: tuple(reader for reader in READS if source in read_from(reader)) for source in SOURCES
}
"""Which services read which producer's topic. From the written table, so that a start need not import every service."""

ONE_BY_ONE = 1_000
"""More subjects than this are asked for by moving the relay back in time, not one by one."""

_BEHIND = """
select s.subject, coalesce(i.sequence, 0) + 1 as needed
  from {source}.streams s left join {consumer}.inbox i on (i.source, i.subject) = ($1, s.subject)
 where coalesce(i.sequence, 0) < s.sequence
 order by s.subject limit $2
"""
_OLDEST_NEEDED = """
select min(e.at) from {source}.streams s
  left join {consumer}.inbox i on (i.source, i.subject) = ($1, s.subject)
  join {source}.event_log e on (e.subject, e.sequence) = (s.subject, coalesce(i.sequence, 0) + 1)
 where coalesce(i.sequence, 0) < s.sequence
"""
_ASK_SUBJECT = """
insert into {source}.replay_requests (subject, from_sequence, requested_by)
select * from unnest($1::uuid[], $2::bigint[], $3::text[])
"""
_ASK_SINCE = "insert into {source}.replay_requests (from_at, requested_by) values ($1, $2)"


@dataclass(frozen=True, slots=True)
class Asked:
    """What one producer was asked for: some subjects, or everything since a moment."""

    source: Source
    subjects: int
    since: datetime | None


async def recover(connection: asyncpg.Connection, *, by: str) -> list[Asked]:
    """Ask every relay for what its consumers have not applied."""
    asked = [await _ask(connection, source, readers, by) for source, readers in READERS.items()]
    return [one for one in asked if one.subjects or one.since]


async def _ask(connection: asyncpg.Connection, source: Source, readers: Sequence[str], by: str) -> Asked:
    needed: dict[UUID, int] = {}
    for consumer in readers:
        names = {"source": source, "consumer": consumer}
        rows = await connection.fetch(fill(_BEHIND, **names), NUMBER[source], ONE_BY_ONE + 1)
        for row in rows:
            needed[row["subject"]] = min(row["needed"], needed.get(row["subject"], row["needed"]))
    if not needed:
        return Asked(source, 0, None)
    if len(needed) <= ONE_BY_ONE:
        statement = fill(_ASK_SUBJECT, source=source)
        await connection.execute(statement, list(needed), list(needed.values()), [by] * len(needed))
        return Asked(source, len(needed), None)
    moments = [
        await connection.fetchval(fill(_OLDEST_NEEDED, source=source, consumer=consumer), NUMBER[source])
        for consumer in readers
    ]
    since = min(moment for moment in moments if moment is not None)
    await connection.execute(fill(_ASK_SINCE, source=source), since, by)
    return Asked(source, 0, since)
