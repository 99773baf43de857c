"""Asking relays to publish again, and saying beforehand what that would be; only relays publish."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from passage.context import NotConfigured, connected, operator, schema_of
from passage.recover import READERS, Asked, recover
from shared.contracts.base import SOURCES, Source
from shared.contracts.registry import EVENTS
from shared.db.migrate import fill
from shared.inbox.positions import NUMBER

PER_SECOND = 10_000
"""What a relay publishes and consumers skip on two shared cores, with a wide margin; an estimate, not a promise."""

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

_SUBJECT = "insert into replay_requests (subject, from_sequence, type, requested_by) values ($1, $2, $3, $4)"
_RANGE = "insert into replay_requests (from_at, until_at, type, requested_by) values ($1, $2, $3, $4)"
_COUNTS = """
select split_part(type, '.', 3) as event, count(*) as events, count(distinct subject) as subjects,
       min(at) as first, max(at) as last
  from {source}.event_log
 where at >= $1 and at < $2 and ($3::uuid is null or subject = $3) and sequence >= $4
   and ($5::text is null or type = $5)
 group by 1 order by 2 desc, 1
"""
_BUSIEST = """
select subject, count(*) as events from {source}.event_log
 where at >= $1 and at < $2 and ($3::uuid is null or subject = $3) and sequence >= $4
   and ($5::text is null or type = $5)
 group by 1 order by 2 desc, 1 limit 5
"""
_NEWS = """
select count(*) from {source}.event_log e
  left join {consumer}.inbox i on (i.source, i.subject) = ($6, e.subject)
 where e.at >= $1 and e.at < $2 and ($3::uuid is null or e.subject = $3) and e.sequence >= $4
   and ($5::text is null or e.type = $5) and e.sequence > coalesce(i.sequence, 0)
"""


@dataclass(frozen=True, slots=True)
class Wish:
    """What to publish again: of one subject from a sequence on, or of a range of time; `event` narrows either."""

    source: Source
    subject: UUID | None = None
    from_sequence: int = 1
    since: datetime | None = None
    until: datetime | None = None
    event: str | None = None

    @property
    def type(self) -> str | None:
        """The CloudEvents type of `event`.

        Raises:
            NotConfigured: this producer publishes no such event.
        """
        if self.event is None:
            return None
        found = next((one for one in EVENTS[self.source] if one.__name__ == self.event), None)
        if found is None:
            names = ", ".join(sorted(one.__name__ for one in EVENTS[self.source]))
            raise NotConfigured(f"{self.source} publishes no {self.event!r}: one of {names}")
        return found.type_from(self.source)


@dataclass(frozen=True, slots=True)
class Kind:
    """How many events of one type, of how many subjects, written when."""

    event: str
    events: int
    subjects: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a replay would publish, and how much of it each consumer has not applied yet."""

    kinds: Sequence[Kind]
    busiest: Sequence[tuple[UUID, int]]
    news: dict[str, int]

    @property
    def events(self) -> int:
        return sum(kind.events for kind in self.kinds)


def source_of(name: str) -> Source:
    """A producing service by its name.

    Raises:
        NotConfigured: no such producer.
    """
    for source in SOURCES:
        if source == name:
            return source
    raise NotConfigured(f"{name!r} publishes no events: one of {', '.join(SOURCES)}")


async def ask(wish: Wish) -> None:
    """Ask the producer's relay; it begins within a second or so."""
    # A range without an end is served by moving the relay's cursor back; one of a single type has to end somewhere.
    until = wish.until or (datetime.now(UTC) if wish.event else None)
    async with schema_of(wish.source) as connection:
        if wish.subject is not None:
            await connection.execute(_SUBJECT, wish.subject, wish.from_sequence, wish.type, operator())
        else:
            await connection.execute(_RANGE, wish.since or BEGINNING, until, wish.type, operator())


async def forecast(owner: str, wish: Wish) -> Forecast:
    """What `ask` would do, without doing it."""
    narrowed = (
        wish.since or BEGINNING,
        wish.until or datetime.now(UTC),
        wish.subject,
        wish.from_sequence,
        wish.type,
    )
    async with connected(owner) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        kinds = await connection.fetch(fill(_COUNTS, source=wish.source), *narrowed)
        busiest = await connection.fetch(fill(_BUSIEST, source=wish.source), *narrowed)
        news = {consumer: await _news(connection, wish.source, consumer, narrowed) for consumer in READERS[wish.source]}
    return Forecast([Kind(*row.values()) for row in kinds], [(row["subject"], row["events"]) for row in busiest], news)


async def _news(connection: asyncpg.Connection, source: Source, consumer: str, narrowed: tuple[object, ...]) -> int:
    return int(await connection.fetchval(fill(_NEWS, source=source, consumer=consumer), *narrowed, NUMBER[source]))


async def needed(owner: str) -> list[Asked]:
    """What some consumer has not applied, of all producers."""
    async with connected(owner) as connection:
        return await recover(connection, by=operator())
