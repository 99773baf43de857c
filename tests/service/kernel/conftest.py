"""A world of its own for each test of the kernel, with services of two lines."""

import base64
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.contracts.envelope import Envelope, NotAnEvent, from_headers, to_headers
from shared.contracts.topics import PARTITIONS
from shared.eventlog.log import partition_of
from shared.security.keyring import Keyring
from shared.service import Service
from shared.settings import ServiceSettings
from tests.support.kernel import running
from tests.support.world import World

EFFECTS = """
create table {schema}.effects (n bigint generated always as identity, event_id uuid, subject uuid, sequence bigint)
"""


@pytest.fixture
async def kernel(fresh_world: World) -> World:
    """A world with a table to write effects into, in each schema."""
    await fresh_world.topics()
    async with fresh_world.connection() as conn:
        for schema in ("intake", "assessment", "dashboard"):
            await conn.execute(EFFECTS.format(schema=schema))
    return fresh_world


@pytest.fixture
def make(kernel: World) -> Callable[..., Service]:
    """A service of that name with these consumers, not started."""

    def build(name: str, **parts: Any) -> Service:
        variables = kernel.wiring.variables(name)
        prefix = f"PASSAGE_{name.upper()}_"
        known = {key.removeprefix(prefix).lower(): value for key, value in variables.items() if key.startswith(prefix)}
        for key in ("urls", "frame_ancestors", "trusted_proxies"):
            if key in known:
                known[key] = json.loads(known[key])
        return Service(name, ServiceSettings.model_validate(known), **parts)

    return build


@pytest.fixture
async def intake(make: Callable[..., Service]) -> AsyncIterator[Service]:
    """A running producer that consumes nothing."""
    async with running(make("intake")) as service:
        yield service


@pytest.fixture
async def read(kernel: World) -> AsyncIterator[Callable[[str], Awaitable[list[Envelope]]]]:
    """All events on a topic so far, each partition in its order."""
    consumers: dict[str, AIOKafkaConsumer] = {}
    found: dict[str, list[Envelope]] = {}

    async def everything(topic: str) -> list[Envelope]:
        if topic not in consumers:
            consumer = AIOKafkaConsumer(bootstrap_servers=kernel.kafka, fetch_max_wait_ms=20, enable_auto_commit=False)
            await consumer.start()
            partitions = [TopicPartition(kernel.kafka_prefix + topic, number) for number in range(PARTITIONS)]
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            consumers[topic], found[topic] = consumer, []
        for records in (await consumers[topic].getmany(timeout_ms=200)).values():
            for record in records:
                try:
                    found[topic].append(from_headers(record.headers))
                except NotAnEvent:
                    continue
        return found[topic]

    yield everything
    for consumer in consumers.values():
        await consumer.stop()


@pytest.fixture
async def send(kernel: World) -> AsyncIterator[Callable[..., Awaitable[None]]]:
    """Put a record on a topic as some other producer would."""
    producer = AIOKafkaProducer(bootstrap_servers=kernel.kafka)
    await producer.start()

    async def put(topic: str, envelope: Envelope | None, body: str | bytes) -> None:
        value = body.encode() if isinstance(body, str) else body
        if envelope is None:
            await producer.send_and_wait(kernel.kafka_prefix + topic, value)
            return
        await producer.send_and_wait(
            kernel.kafka_prefix + topic,
            value,
            key=str(envelope.subject).encode(),
            partition=partition_of(envelope.subject),
            headers=to_headers(envelope),
        )

    yield put
    await producer.stop()


def _keyring(folder: Path) -> Keyring:
    file = folder / f"{os.urandom(4).hex()}.json"
    key, lookup = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))
    file.write_text(json.dumps({"active": "k1", "keys": {"k1": key}, "lookup": lookup}))
    return Keyring.load(file)


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    """A clinic's keys."""
    return _keyring(tmp_path)


@pytest.fixture
def other_keyring(tmp_path: Path) -> Keyring:
    """Another clinic's keys."""
    return _keyring(tmp_path)
