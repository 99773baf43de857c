"""Append events to the service's log, in the transaction of the state change.

The promise: within a subject, `sequence` has no gap and no repetition, and log ids rise with it, whatever
other transactions do. Both hold because the statement takes the subjects' rows in `streams`, in sorted order,
before the first event gets its id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID

import asyncpg
from aiokafka.partitioner import murmur2

from shared.contracts.base import Event
from shared.contracts.topics import PARTITIONS
from shared.ids import new_id

# `order by` inside the insert is what makes ids follow the order of publishing; the join with `locked`, below a
# sort, is what makes every lock precede every id.
APPEND = """
with given as (
    select * from unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::text[], $5::text[], $6::timestamptz[], $7::text[],
                         $8::uuid[], $9::uuid[], $10::text[])
        with ordinality as e (event_id, subject, partition, type, body, time, actor, correlation, causation,
                              traceparent, ord)
), locked as (
    insert into streams as s (subject, sequence)
    select subject, count(*) from given group by subject order by subject
    on conflict (subject) do update set sequence = s.sequence + excluded.sequence
    returning s.subject, s.sequence as last
)
insert into event_log (event_id, subject, sequence, partition, type, time, actor, correlation, causation,
                       traceparent, body)
select g.event_id, g.subject,
       l.last - count(*) over (partition by g.subject) + row_number() over (partition by g.subject order by g.ord),
       g.partition, g.type, g.time, g.actor, g.correlation, g.causation, g.traceparent, g.body::json
  from given g join locked l using (subject)
 order by g.ord
"""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an event comes from: service, business time, who, and what led here."""

    service: str
    time: datetime
    actor: str
    correlation: UUID
    causation: UUID | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """An event that will be written when its transaction commits."""

    event: Event
    origin: Origin


@lru_cache(maxsize=8_192)
def partition_of(subject: UUID) -> int:
    """The partition that Kafka's Java client gives this key: murmur2 of the id's text, positive, modulo."""
    return int(murmur2(str(subject).encode()) & 0x7FFFFFFF) % PARTITIONS


async def append(conn: asyncpg.Connection, pending: Sequence[Pending]) -> None:
    """Write events in the order given, in the caller's transaction and in one statement."""
    if not pending:
        return
    await conn.execute(
        APPEND,
        [new_id() for _ in pending],
        [p.event.subject for p in pending],
        [partition_of(p.event.subject) for p in pending],
        [p.event.type_from(p.origin.service) for p in pending],
        [p.event.model_dump_json() for p in pending],
        [p.origin.time for p in pending],
        [p.origin.actor for p in pending],
        [p.origin.correlation for p in pending],
        [p.origin.causation for p in pending],
        [p.origin.traceparent for p in pending],
    )
