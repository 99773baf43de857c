"""The relay, from an event log to acknowledged records: against aiokafka's own `send()` and its batches per partition.

All ways begin without a connection and end when the broker has acknowledged everything, with the same keys, values and
headers. The bases have their records ready in memory; the relay reads them from PostgreSQL, and moves its cursor.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer
from asyncpg import Connection

from benchmarks.harness import Figure, Stage, compared, in_turn
from benchmarks.harness.events import fill_updates
from benchmarks.harness.peer import Peer
from benchmarks.harness.published import published
from shared.contracts.base import Source
from shared.contracts.envelope import Headers, written
from shared.contracts.topics import events_of
from shared.eventlog.cursor import Row
from shared.eventlog.publishing import BATCH_BYTES
from shared.ids import new_id
from tests.support.world import World

SOURCE: Source = "intake"
SUBJECTS = 20_000
PEER_SHARE = 10
"""The peer gets a tenth of the events: it takes that much longer."""
REWIND = "update relay set cursor = '3:3:', cursor_at = '-infinity', upper = null, upper_at = null, after_id = 0"
ALL = """
select id, at, event_id::text, subject::text, sequence, partition, type, time, actor, correlation::text,
       causation::text, traceparent, body
  from event_log order by id
"""
Message = tuple[int, bytes, bytes, Headers]
"""Partition, key, value, headers."""


async def measure(stage: Stage) -> list[Figure]:
    """Events a second."""
    count = stage.size(100_000, 500_000)
    async with stage.world() as world, world.connection(SOURCE) as conn, _peer(world) as peer:
        stage.say(f"filling the log with {count:,} events")
        await fill_updates(world, [new_id() for _ in range(SUBJECTS)], count)
        messages = [_message(Row._make(row)) for row in await conn.fetch(ALL)]
        fewer = messages[: count // PEER_SHARE]

        async def outbox() -> float:
            await peer.fill(fewer)
            return await peer.rate(len(fewer))

        rates = await in_turn(
            stage.rounds,
            {
                "relay": lambda: _relay(world, conn, count),
                "send": lambda: _send(world, messages),
                "batches": lambda: _batches(world, messages),
                "outbox": outbox,
            },
        )
    ours = rates["relay"]
    return [
        compared("relay", "events/s", ours, rates["send"], against="aiokafka send(), records ready", at_least=3),
        compared("relay", "events/s", ours, rates["batches"], against="raw send_batch, records ready", at_least=0.5),
        compared("relay", "events/s", ours, rates["outbox"], against="faststream-outbox, tuned", at_least=30),
    ]


@asynccontextmanager
async def _peer(world: World) -> AsyncIterator[Peer]:
    async with _producer(world) as producer:
        peer = Peer(world.dsn(), world.kafka_prefix + events_of(SOURCE), producer)
        await peer.prepare()
        try:
            yield peer
        finally:
            await peer.close()


async def _relay(world: World, conn: Connection, count: int) -> float:
    await conn.execute(REWIND)
    began = time.perf_counter()
    await published(world, SOURCE, count)
    return count / (time.perf_counter() - began)


async def _send(world: World, messages: Sequence[Message]) -> float:
    began = time.perf_counter()
    async with _producer(world) as producer:
        topic = world.kafka_prefix + events_of(SOURCE)
        sent = [
            await producer.send(topic, value, key=key, headers=headers)  # which finds the key's partition itself
            for _partition, key, value, headers in messages
        ]
        await asyncio.gather(*sent)
        return len(messages) / (time.perf_counter() - began)


async def _batches(world: World, messages: Sequence[Message]) -> float:
    topic = world.kafka_prefix + events_of(SOURCE)
    began = time.perf_counter()
    partitions: dict[int, list[Message]] = defaultdict(list)
    for message in messages:
        partitions[message[0]].append(message)
    async with _producer(world) as producer:

        async def one(partition: int, own: Sequence[Message]) -> None:
            batch = producer.create_batch()
            for message in own:
                _, key, value, headers = message
                if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
                    batch.close()
                    await (await producer.send_batch(batch, topic, partition=partition))
                    batch = producer.create_batch()
                    batch.append(timestamp=None, key=key, value=value, headers=headers)
            batch.close()
            await (await producer.send_batch(batch, topic, partition=partition))

        await asyncio.gather(*(one(partition, own) for partition, own in partitions.items()))
        return len(messages) / (time.perf_counter() - began)


def _producer(world: World) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=world.kafka,
        acks="all",
        enable_idempotence=world.infrastructure.kafka_idempotent,
        max_batch_size=BATCH_BYTES,
    )


def _message(row: Row) -> Message:
    headers = written(
        id=row.event_id, type=row.type, source=SOURCE, subject=row.subject, sequence=row.sequence, time=row.time,
        actor=row.actor, correlationid=row.correlation, causationid=row.causation, traceparent=row.traceparent,
    )  # fmt: skip
    return row.partition, row.subject.encode(), row.body.encode(), headers
