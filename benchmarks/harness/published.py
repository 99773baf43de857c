"""Putting an event log on its topic, and services of two lines that read it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.consuming import Consumes
from shared.contracts.base import SOURCES, Source
from shared.contracts.topics import PARTITIONS, events_of
from shared.db.pool import connect
from shared.eventlog.publishing import Batches, Publisher
from shared.eventlog.relay import Relay
from shared.service import Service
from shared.settings import ServiceSettings
from shared.timers import Timers
from tests.support.waiting import eventually
from tests.support.world import World


class Counting(Publisher):
    """The relay's own publisher; it tells when as many were acknowledged as there are."""

    def __init__(self, world: World, source: Source, expected: int) -> None:
        super().__init__(
            bootstrap=world.kafka,
            topic=world.kafka_prefix + events_of(source),
            source=source,
            idempotent=world.infrastructure.kafka_idempotent,
        )
        self._missing = expected
        self.done = asyncio.Event()

    async def put(self, made: Batches) -> None:
        await super().put(made)
        self._missing -= sum(batch.record_count() for batches in made.values() for batch in batches)
        if self._missing <= 0:
            self.done.set()


async def published(world: World, source: Source, count: int) -> None:
    """Run the producer's relay until `count` events are acknowledged."""
    publisher = Counting(world, source, count)
    relay = Relay(source, lambda: connect(world.dsn(source), name=f"{source}-relay"), publisher)
    running = asyncio.create_task(relay.run())
    try:
        await publisher.done.wait()
    finally:
        running.cancel()
        await asyncio.wait([running])


@asynccontextmanager
async def kernel_service(
    world: World, name: str, *, consumes: Consumes | None = None, timers: Timers | None = None
) -> AsyncIterator[Service]:
    """The kernel's runtime with handlers of the benchmark's own, in this process, started."""
    settings = ServiceSettings(**world.wiring.settings(name))
    service = Service(name, settings, consumes=consumes, timers=timers)
    await service.start()
    try:
        if service.consumer is not None:
            await eventually(service.consumer.partitions, timeout=60)  # joining a group may take seconds
        yield service
    finally:
        await service.stop()


@asynccontextmanager
async def writing(settings: dict[str, Any]) -> AsyncIterator[Service]:
    """Intake's log and relay without its doors, for a process that only writes; at the end all of it is published."""
    service = Service("intake", ServiceSettings(**settings))
    await service.start()
    try:
        await eventually(lambda: service.relay is not None and service.relay.leading, timeout=30)
        yield service
        await asyncio.sleep(1)  # the relay of this process still has the last ones in hand
    finally:
        await service.stop()


async def from_the_start(world: World, service: str) -> None:
    """Put a stopped service's group back to the first record of everything that it reads."""
    topics = [world.kafka_prefix + events_of(source) for source in SOURCES]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=world.kafka, group_id=f"{world.kafka_prefix}passage.{service}", enable_auto_commit=False
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.commit(dict.fromkeys(partitions, 0))
    finally:
        await consumer.stop()
