"""A slow database: whoever asks is told to come back before anything piles up, and nothing is lost or done twice."""

import asyncio
import json
import time
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaProducer
from fastapi import APIRouter

from services.identity.settings import IdentitySettings
from shared.contracts.topics import SUBMISSIONS
from shared.db.pool import SESSION, DatabaseAway, DatabaseBusy, Pool, connect, open_pool
from shared.http.deps import ServiceDep
from shared.inbox.consumer import MAX_RECORDS
from tests.support.intake import Intake
from tests.support.probe import probing, settings_of

router = APIRouter()


@router.get("/slow")
async def slow(service: ServiceDep) -> None:
    async with service.reading() as uow:
        await uow.conn.execute("set local statement_timeout = '50ms'")
        await uow.conn.execute("select pg_sleep(30)")


@router.get("/pooled")
async def pooled(service: ServiceDep) -> dict[str, bool]:
    async with service.reading():
        return {"read": True}


@asynccontextmanager
async def held(world, table: str):
    """Nobody else can read or write this table of intake's."""
    async with world.connection() as owner, owner.transaction():
        await owner.execute(f"lock table intake.{table} in access exclusive mode")
        yield


async def statuses(items) -> list[int]:
    return [item["status"] for item in await items]


def is_told_to_come_back(answer: httpx.Response) -> bool:
    return answer.status_code == 503 and int(answer.headers["retry-after"]) > 0 and answer.json()["code"] == "busy"


@pytest.fixture(scope="module")
async def intake(world):
    async with world.start("intake", database_wait_seconds=0.5, requests_at_once=30) as running:
        yield await Intake.of(running, world)


async def test_while_the_database_stands_everybody_is_told_to_come_back_and_nobody_is_lost(world, intake):
    keys = {uuid4().hex: f"+1801559{number:04d}" for number in range(40)}
    assert (await intake.lead(phone="+18015590999")).status_code == 201

    async def hand_in() -> list[httpx.Response]:
        return await asyncio.gather(*(intake.lead(key, phone=phone) for key, phone in keys.items()))

    async with held(world, "accepted"):
        began = time.monotonic()
        answers = await hand_in()
        assert time.monotonic() - began < 10
        assert all(is_told_to_come_back(answer) for answer in answers)
        assert (await intake.http.get("/live")).status_code == 200
    assert {answer.status_code for answer in await hand_in()} <= {201, 503}
    for key, phone in keys.items():
        assert (await intake.lead(key, phone=phone)).status_code == 201
    assert await intake.patients() == 41
    assert not intake.running.service.state.writer.waiting


async def test_each_item_of_a_bulk_request_is_told_by_itself(world, intake, eventually):
    items = [{"key": uuid4().hex, "lead": {"phone": f"+1801560{number:04d}"}} for number in range(5)]

    async def hand_in() -> list[dict]:
        answer = await intake.http.post("/api/v1/leads/bulk", json=items, headers={"x-api-key": intake.key})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async with held(world, "contact_points"):
        assert [item["problem"]["code"] for item in await hand_in()] == ["busy"] * 5
    await eventually(lambda: statuses(hand_in()), equals=[201] * 5)


async def test_more_than_may_wait_are_refused_at_once(world, eventually):
    settings = settings_of(world, "identity", IdentitySettings, requests_at_once=8, database_pool=1)
    async with probing(world, "identity", settings, [router]) as probe:
        async with probe.service.pool.acquire():
            waiting = [asyncio.create_task(probe.http.get("/pooled")) for _ in range(8)]
            await eventually(lambda: probe.service.pool.waiting, equals=8)
            began = time.monotonic()
            assert is_told_to_come_back(await probe.http.get("/pooled"))
            assert time.monotonic() - began < 2
            assert (await probe.http.get("/live")).status_code == 200
        assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200] * 8
        assert (await probe.http.get("/pooled")).status_code == 200


async def test_a_statement_over_its_limit_ends_and_says_come_back(world):
    settings = settings_of(world, "identity", IdentitySettings)
    async with probing(world, "identity", settings, [router]) as probe:
        assert is_told_to_come_back(await probe.http.get("/slow"))
        assert (await probe.http.get("/pooled")).status_code == 200


async def test_waiting_for_a_connection_is_bounded_in_time_and_number(world):
    pool = await open_pool(world.dsn("intake"), name="intake", size=1, wait_seconds=0.2, most_waiting=1)
    async with pool.acquire():
        one = asyncio.create_task(pool.fetchval("select 1"))
        await asyncio.sleep(0)
        with pytest.raises(DatabaseBusy, match="too many"):
            await pool.fetchval("select 1")
        with pytest.raises(DatabaseBusy, match="in time"):
            await one
    assert await pool.fetchval("select 1") == 1
    await pool.close()


async def test_every_connection_has_its_limits(world):
    pool = await open_pool(world.dsn("intake"), name="intake", size=1)
    alone = await connect(world.dsn("intake"), name="relay")
    async with pool.acquire() as pooled_one:
        for conn in (pooled_one, alone):
            # Those of TCP are nothing on a socket: `kernel/test_connections.py` holds them.
            for name in (name for name in SESSION if name.endswith("_timeout") and not name.startswith("tcp_")):
                shown = await conn.fetchval("select setting::int from pg_settings where name = $1", name)
                assert shown == int(SESSION[name].removesuffix("s")) * 1000
    await alone.close()
    await pool.close()


async def test_a_consumer_stands_still_with_its_batch_while_the_database_does(world, intake, eventually):
    count = MAX_RECORDS + 500
    before = await intake.patients()
    consumer = intake.running.service.consumer._subscriber.consumer

    async def taken() -> int:
        return sum([await consumer.position(place) for place in consumer.assignment() if SUBMISSIONS in place.topic])

    async def waits_for_the_lock() -> bool:
        async with world.connection() as owner:
            return bool(await owner.fetchval("select count(*) from pg_locks where not granted"))

    async with AIOKafkaProducer(bootstrap_servers=world.kafka) as producer, held(world, "accepted"):
        for number in range(count):
            said = json.dumps({"phone": f"+1720{2000000 + number}"}).encode()
            await producer.send(world.kafka_prefix + SUBMISSIONS, said, key=str(number).encode())
        await producer.flush()
        await eventually(waits_for_the_lock)
        assert await taken() <= MAX_RECORDS
    await eventually(intake.patients, equals=before + count, timeout=60)


@pytest.mark.parametrize("where", ["host=/nowhere", "host=127.0.0.1&port=1"])
async def test_a_database_that_is_gone_is_said_to_be(where: str) -> None:
    """Its socket's file is not there, or its port is closed: either is worth another try."""
    pool = Pool(
        f"postgresql://nobody@/passage?{where}", connection_class=asyncpg.Connection, record_class=asyncpg.Record,
        min_size=0, max_size=1, max_queries=1, loop=None, max_inactive_connection_lifetime=0,
    )  # fmt: skip
    pool.wait_seconds, pool.most_waiting = 5.0, 1
    await pool
    with pytest.raises(DatabaseAway):
        async with pool.acquire():
            raise AssertionError("somebody answered")
    await pool.close()
