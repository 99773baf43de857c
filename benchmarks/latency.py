"""From commit to the consumer's handler, against Kafka alone: `send_and_wait` to `getmany`.

The writer with its relay is a process of its own, the consumer is this one; both use the machine's monotonic clock.
Load is open: a transaction begins when its time has come, whatever became of those before it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from typing import Any
from uuid import UUID

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.harness import Figure, Stage, compared, in_turn, quantile
from benchmarks.harness.events import SEALED, fill, lead
from benchmarks.harness.published import kernel_service, writing
from shared.consuming import Consumes
from shared.contracts.envelope import Envelope
from shared.contracts.intake import Channel, MessageReceived
from shared.contracts.topics import events_of
from shared.ids import new_id
from shared.security.keyring import Keyring
from shared.uow import UnitOfWork
from tests.support.waiting import eventually
from tests.support.world import World

RATES = (50, 1_000)
PATIENTS = 500
WARM_SECONDS = 1.0
Times = dict[UUID, float]


async def measure(stage: Stage) -> list[Figure]:
    """Milliseconds, p50 and p99, at both rates."""
    seconds = 20.0 if stage.full else 4.0
    figures: list[Figure] = []
    async with stage.world() as world:
        patients = [new_id() for _ in range(PATIENTS)]
        keyring = Keyring.load(world.secrets.clinic_keys)
        await fill(world, "intake", (lead(keyring, patient) for patient in patients))
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
            for rate in RATES:
                found = await in_turn(
                    stage.rounds,
                    {
                        "ours": partial(_ours, world, other, patients, rate, seconds),
                        "raw": partial(_raw, world, other, rate, seconds),
                    },
                    warm=rate == RATES[0],
                )
                figures += [
                    compared(
                        f"commit → consumer at {rate}/s, p{share * 100:g}", "ms",
                        [quantile(one, share) for one in found["ours"]],
                        [quantile(one, share) for one in found["raw"]],
                        against="produce → consume", at_most=1.5,
                    )
                    for share in (0.5, 0.99)
                ]  # fmt: skip
    return figures


async def _ours(
    world: World, other: ProcessPoolExecutor, patients: list[UUID], rate: int, seconds: float
) -> list[float]:
    consumes, arrived = Consumes(), Times()

    async def on_message(_uow: UnitOfWork, event: MessageReceived, _at: Envelope) -> None:
        arrived.setdefault(event.message_id, time.perf_counter())

    consumes(MessageReceived)(on_message)
    settings = world.wiring.settings("intake")
    async with kernel_service(world, "assessment", consumes=consumes):
        loop = asyncio.get_running_loop()
        sent: Times = await loop.run_in_executor(other, _write, settings, patients, rate, seconds)
        await eventually(lambda: sent.keys() <= arrived.keys(), timeout=60)
    return [(arrived[key] - at) * 1_000 for key, at in sent.items()]


def _write(settings: dict[str, Any], patients: list[UUID], rate: int, seconds: float) -> Times:
    return uvloop.run(_writing(settings, patients, rate, seconds))


async def _writing(settings: dict[str, Any], patients: list[UUID], rate: int, seconds: float) -> Times:
    committed = Times()

    async with writing(settings) as service:

        async def one(number: int, kept: bool) -> None:
            event = MessageReceived(
                patient_id=patients[number % len(patients)], message_id=new_id(), channel=Channel.TEXT, body=SEALED,
                received_at=datetime.now(UTC),
            )  # fmt: skip
            async with service.transaction(actor="patient") as uow:
                uow.publish(event)
            if kept:
                committed[event.message_id] = time.perf_counter()

        await at_rate(one, rate, seconds)
    return committed


async def _raw(world: World, other: ProcessPoolExecutor, rate: int, seconds: float) -> list[float]:
    topic = world.kafka_prefix + events_of("notifications")  # which the other's consumer doesn't read
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=world.kafka, fetch_max_wait_ms=500)
    await consumer.start()
    arrived = Times()

    async def read() -> None:
        while True:
            for records in (await consumer.getmany(timeout_ms=1_000)).values():
                for record in records:
                    arrived[UUID(bytes=record.key)] = time.perf_counter()

    reading = asyncio.create_task(read())
    try:
        loop = asyncio.get_running_loop()
        sent: Times = await loop.run_in_executor(other, _send, world.kafka, topic, rate, seconds)
        await eventually(lambda: sent.keys() <= arrived.keys(), timeout=60)
    finally:
        reading.cancel()
        await asyncio.wait([reading])
        await consumer.stop()
    return [(arrived[key] - at) * 1_000 for key, at in sent.items()]


def _send(kafka: str, topic: str, rate: int, seconds: float) -> Times:
    return uvloop.run(_sending(kafka, topic, rate, seconds))


async def _sending(kafka: str, topic: str, rate: int, seconds: float) -> Times:
    began = Times()
    async with AIOKafkaProducer(bootstrap_servers=kafka, acks="all") as producer:

        async def one(_number: int, kept: bool) -> None:
            key = new_id()
            if kept:
                began[key] = time.perf_counter()
            await producer.send_and_wait(topic, SEALED.encode(), key=key.bytes)

        await at_rate(one, rate, seconds)
    return began


async def at_rate(one: Callable[[int, bool], Awaitable[None]], rate: int, seconds: float) -> None:
    """Begin `rate` a second; those of the first second only warm everything up."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * (seconds + WARM_SECONDS))):
            due = began + number / rate
            if (pause := due - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            group.create_task(_run(one, number, number >= rate * WARM_SECONDS))


async def _run(one: Callable[[int, bool], Awaitable[None]], number: int, kept: bool) -> None:
    await one(number, kept)
