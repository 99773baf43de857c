"""How fresh the facts of other services are: for gates that fail closed.

The promise: a row of `heard` says that at its moment everything the broker held of that partition had been applied, or
parked, or dead-lettered. Silence and falling behind look the same: the row grows old.
"""

import asyncio
import time
from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer

from shared.contracts.base import SOURCES, Source
from shared.contracts.topics import events_of
from shared.eventlog.log import partition_of
from shared.inbox.positions import NUMBER

EVERY_SECONDS = 2.0
TIMEOUT_SECONDS = 2.0

# The age was measured on the consumer's clock and is taken from the database's: their difference doesn't count.
HEARD = """
insert into heard as h (source, partition, at)
select s.source, s.partition, clock_timestamp() - make_interval(secs => s.age)
  from unnest($1::smallint[], $2::smallint[], $3::float8[]) as s (source, partition, age)
 order by 1, 2
on conflict (source, partition) do update set at = greatest(h.at, excluded.at)
"""
FRESH = """
select count(*) from heard
 where source = $1 and partition = any($2::smallint[]) and at > clock_timestamp() - make_interval(secs => $3)
"""
WAITS = """
select exists (select from parked where source = $1 and subject = any($2::uuid[]))
    or exists (select from dead_letters where source = $1 and subject = any($2::uuid[]) and resolved_at is null)
"""


class _Unit(Protocol):
    @property
    def conn(self) -> asyncpg.Connection: ...


class Opens(Protocol):
    """Opens a transaction."""

    def __call__(self) -> AbstractAsyncContextManager[_Unit]: ...


class Hearing:
    """Writes `heard` for one consumer, at moments when it has no batch in hand."""

    def __init__(self, opened: Opens, names: Mapping[str, str]) -> None:
        self._open = opened
        self._sources: dict[str, Source] = {
            topic: source for topic, name in names.items() for source in SOURCES if name == events_of(source)
        }
        self._noted = -EVERY_SECONDS

    async def note(self, consumer: AIOKafkaConsumer) -> None:
        """Write down which partitions are read to their end; not more often than needed.

        What is not written down counts as not heard, whatever this raises.
        """
        now = time.monotonic()
        if now - self._noted < EVERY_SECONDS:
            return
        async with asyncio.timeout(TIMEOUT_SECONDS):
            read = await self._read_to_the_end(consumer)
            if read:
                async with self._open() as uow:
                    await uow.conn.execute(HEARD, *map(list, zip(*read, strict=True)))
                self._noted = now

    async def _read_to_the_end(self, consumer: AIOKafkaConsumer) -> list[tuple[int, int, float]]:
        """Source, partition and how many seconds ago the broker said that there is no more."""
        # Asked without a pause between: partitions may be taken away at any await.
        polled = [(at, consumer.highwater(at), consumer.last_poll_timestamp(at)) for at in consumer.assignment()]
        found: list[tuple[int, int, float]] = []
        for at, end, milliseconds in sorted(polled, key=lambda one: (one[0].topic, one[0].partition)):
            source = self._sources.get(at.topic)
            if source is None or end is None or milliseconds is None or await consumer.position(at) < end:
                continue
            found.append((NUMBER[source], at.partition, max(0.0, time.time() - milliseconds / 1000)))
        return found


async def heard_within(conn: asyncpg.Connection, source: Source, subjects: Collection[UUID], seconds: float) -> bool:
    """Whether everything that `source` said of these subjects until `seconds` ago has reached this service."""
    partitions = {partition_of(subject) for subject in subjects}
    found: int = await conn.fetchval(FRESH, NUMBER[source], list(partitions), seconds)
    return found == len(partitions)


async def waits(conn: asyncpg.Connection, source: Source, subjects: Collection[UUID]) -> bool:
    """Whether something that `source` said of these subjects has come here and waits to be applied."""
    found: bool = await conn.fetchval(WAITS, NUMBER[source], list(subjects))
    return found
