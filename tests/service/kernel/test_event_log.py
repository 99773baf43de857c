"""The event log: gapless per subject, in id order, kept as it is."""

import asyncio
import random
from uuid import UUID

import asyncpg
import pytest

from shared.eventlog.log import partition_of
from shared.ids import new_id
from shared.service import Service
from tests.support.kernel import closed, create_lead, publish_lead, updated

JAVA = {
    "00000000-0000-7000-8000-000000000000": 6,
    "01a20762-dcd9-7325-80b7-36633178a384": 9,
    "01a20762-e48d-7246-97e0-44ee69b78e24": 2,
    "ffffffff-ffff-ffff-ffff-ffffffffffff": 6,
    "01a20762-e374-7763-ade9-12bed53a8faf": 10,
    "12345678-1234-4234-8234-123456789abc": 6,
}
LOG = "select subject, sequence, id, type, partition from event_log order by id"


class Undo(Exception):
    """Roll this one back."""


async def test_sequences_have_no_gap_under_concurrent_writers_that_roll_back(intake: Service) -> None:
    patients = [await create_lead(intake) for _ in range(5)]

    async def write(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(20):
            try:
                async with intake.transaction(actor="test") as uow:
                    for patient in chance.sample(patients, chance.randint(1, 3)):
                        uow.publish(updated(patient), closed(patient))
                    if chance.random() < 0.3:
                        raise Undo
            except Undo:
                pass

    await asyncio.gather(*(write(seed) for seed in range(12)))
    async with intake.reading() as uow:
        rows = await uow.conn.fetch(LOG)
    for patient in patients:
        own = [row["sequence"] for row in rows if row["subject"] == patient]
        assert own == list(range(1, len(own) + 1)), "ids must rise with the sequence, without a gap"
    assert {row["partition"] for row in rows} == {partition_of(patient) for patient in patients}


async def test_a_rolled_back_change_leaves_no_event(intake: Service) -> None:
    patient = new_id()

    async def change_and_fail() -> None:
        async with intake.transaction(actor="test") as uow:
            await publish_lead(uow, patient)
            raise Undo

    with pytest.raises(Undo):
        await change_and_fail()
    async with intake.reading() as uow:
        assert not await uow.conn.fetch(LOG)
        assert not await uow.conn.fetch("select from streams")


@pytest.mark.parametrize(
    "statement",
    [
        "delete from event_log",
        "update event_log set actor = 'somebody else'",
        "update event_log set body = '{}'",
        "truncate event_log",
        "alter table event_log disable trigger all",
    ],
)
async def test_what_is_written_stays(intake: Service, statement: str) -> None:
    await create_lead(intake)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with intake.transaction(actor="test") as uow:
            await uow.conn.execute(statement)


async def test_erasure_may_blank_the_key_and_nothing_else(intake: Service) -> None:
    await create_lead(intake)

    async def erase(change: str) -> None:
        async with intake.transaction(actor="test") as uow:
            await uow.conn.execute("set local passage.erasing = 'on'")
            await uow.conn.execute(change)

    await erase("""update event_log set body = jsonb_set(body::jsonb, '{key}', 'null')::json""")
    async with intake.reading() as uow:
        assert await uow.conn.fetchval("select body ->> 'key' from event_log") is None
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await erase("""update event_log set body = jsonb_set(body::jsonb, '{channel}', '"api"')::json""")


async def test_partitions_are_made_ahead_by_a_role_that_may_not_make_tables(intake: Service) -> None:
    async with intake.transaction(actor="test") as uow:
        await uow.conn.execute("select ensure_event_log_partitions(3)")
        names = [
            row["name"]
            for row in await uow.conn.fetch(
                "select inhrelid::regclass::text as name from pg_inherits where inhparent = 'event_log'::regclass"
            )
        ]
        assert len(names) >= 5
        assert await uow.conn.fetchval("select ensure_event_log_partitions(3)") == 0


def test_partitions_are_those_of_kafkas_java_client() -> None:
    """Vectors of `org.apache.kafka.common.utils.Utils.toPositive(murmur2(key)) % 12`, Apache Kafka 4.3.1."""
    for subject, partition in JAVA.items():
        assert partition_of(UUID(subject)) == partition
