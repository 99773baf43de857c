"""A service's consumer from a full topic to committed offsets, against the least that could be done by hand.

The base is aiokafka with msgspec and one statement that moves positions by compare-and-set, once per poll, without a
handler, without patients' keys, without a metric or trace; it commits its offsets after each poll too.
"""

import asyncio
import time
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer

from benchmarks.harness import Figure, Stage, compared, in_turn
from benchmarks.harness.events import fill, fill_updates, lead
from benchmarks.harness.published import from_the_start, kernel_service, published
from shared.consuming import Consumes
from shared.contracts.envelope import Envelope
from shared.contracts.intake import LeadCreated, LeadUpdated
from shared.contracts.topics import events_of
from shared.ids import new_id
from shared.inbox.consumer import MAX_RECORDS
from shared.inbox.positions import NUMBER
from shared.security.keyring import Keyring
from shared.uow import UnitOfWork
from tests.support.world import World

SUBJECTS = 2_000
MOVE = """
insert into inbox as b (source, subject, prior, sequence)
select * from unnest($1::smallint[], $2::uuid[], $3::bigint[], $4::bigint[]) as i(source, subject, prior, sequence)
 where i.prior = 0 or exists (select from inbox o where (o.source, o.subject) = (i.source, i.subject))
 order by 1, 2
on conflict (source, subject) do update set prior = excluded.prior, sequence = excluded.sequence
 where b.sequence = excluded.prior
returning b.source, b.subject
"""
FORGET = "truncate inbox, parked, dead_letters, patient_keys"


class Updated(msgspec.Struct):
    """The body as the base reads it."""

    patient_id: UUID
    changed: list[str]
    language: str | None = None


async def measure(stage: Stage) -> list[Figure]:
    """Events a second, from the first poll to the last commit."""
    count = stage.size(30_000, 200_000)
    async with stage.world() as world, world.connection() as owner:
        patients = [new_id() for _ in range(SUBJECTS)]
        keyring = Keyring.load(world.secrets.clinic_keys)
        await fill(world, "intake", (lead(keyring, patient) for patient in patients))
        await fill_updates(world, patients, count)
        total = count + SUBJECTS
        stage.say(f"publishing {total:,} events")
        await published(world, "intake", total)
        await owner.execute("set search_path = assessment")

        async def ours() -> float:
            await owner.execute(FORGET)
            return await _service(world, total)

        async def by_hand() -> float:
            await owner.execute(FORGET)
            return await _by_hand(world, total)

        rates = await in_turn(stage.rounds, {"service": ours, "by hand": by_hand})
    return [
        compared(
            "consumer with inbox", "events/s", rates["service"], rates["by hand"],
            against="aiokafka, msgspec and inbox by hand", at_least=0.85,
        )
    ]  # fmt: skip


async def _service(world: World, total: int) -> float:
    consumes, done, left = Consumes(), asyncio.Event(), total

    async def count_down(_uow: UnitOfWork, _event: Any, _at: Envelope) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            done.set()

    consumes(LeadCreated)(count_down)
    consumes(LeadUpdated)(count_down)
    await from_the_start(world, "assessment")
    async with kernel_service(world, "assessment", consumes=consumes):
        began = time.perf_counter()
        await done.wait()
        return total / (time.perf_counter() - began)


async def _by_hand(world: World, total: int) -> float:
    conn = await asyncpg.connect(world.dsn("assessment"))
    consumer = AIOKafkaConsumer(
        world.kafka_prefix + events_of("intake"),
        bootstrap_servers=world.kafka,
        group_id=f"{world.kafka_prefix}by-hand.{new_id()}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    decode = msgspec.json.Decoder(Updated).decode
    left = total
    try:
        began = 0.0
        while left > 0:
            polled = await consumer.getmany(timeout_ms=1_000, max_records=MAX_RECORDS)
            began = began or time.perf_counter()
            first: dict[bytes, int] = {}
            last: dict[bytes, int] = {}
            for records in polled.values():
                for record in records:
                    headers = dict(record.headers)
                    subject, sequence = headers["ce_subject"], int(headers["ce_sequence"])
                    if headers["ce_type"].endswith(b"LeadUpdated.v1"):
                        decode(record.value)
                    first.setdefault(subject, sequence)
                    last[subject] = sequence
                left -= len(records)
            async with conn.transaction():
                await conn.fetch(
                    MOVE,
                    [NUMBER["intake"]] * len(first),
                    [UUID(subject.decode()) for subject in first],
                    [sequence - 1 for sequence in first.values()],
                    list(last.values()),
                )
            await consumer.commit()
        return total / (time.perf_counter() - began)
    finally:
        await consumer.stop()
        await conn.close()
