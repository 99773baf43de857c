"""Every service comes up against a real database and broker, and says so."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from deploy.embedded.processes import any_free_port
from deploy.kafka.topics import create_topics
from services.dashboard.live import Live
from shared.db.migrate import SERVICES
from shared.telemetry import metrics
from tests.support.intake import Intake


@pytest.mark.parametrize("name", SERVICES)
async def test_a_service_comes_up_and_is_ready(start, eventually, name):
    running = await start(name)
    assert (await running.http.get("/live")).status_code == 200

    async def ready():
        answer = await running.http.get("/ready")
        assert answer.status_code == 200, answer.text
        return True

    await eventually(ready)


async def test_nobody_is_sent_to_a_dashboard_that_has_not_read_everybody(start, eventually, monkeypatch):
    held, fill = asyncio.Event(), Live._fill

    async def later(live, service):
        await held.wait()
        await fill(live, service)

    monkeypatch.setattr(Live, "_fill", later)
    running = await start("dashboard")

    async def reasons():
        return (await running.http.get("/ready")).json()["reasons"]

    await eventually(reasons, equals={"board": "is being filled"})
    held.set()
    await eventually(reasons, equals={})


@asynccontextmanager
async def leading_to(port: int, address: str) -> AsyncIterator[None]:
    """Whoever connects to that port is connected to the address."""
    host, _, other = address.rpartition(":")

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, here = await asyncio.open_connection(host, int(other))

        async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                while said := await source.read(65_536):
                    target.write(said)
            target.close()

        await asyncio.gather(carry(reader, here), carry(there, writer))

    server = await asyncio.start_server(lead, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()


async def test_without_a_broker_a_service_takes_in_what_comes_and_goes_on_when_it_is_there(world, start, eventually):
    """A machine was started anew and its broker does not come up: whoever writes to the clinic then is not lost."""
    port = any_free_port()
    intake = await Intake.of(await start("intake", kafka=f"127.0.0.1:{port}"), world)
    board = await start("dashboard")

    async def reasons():
        return (await intake.http.get("/ready")).json().get("reasons", {})

    assert (await reasons())["consumer"] == "consumer: has not reached the broker yet"
    assert metrics.REGISTRY.get_sample_value("passage_unready_parts")
    assert (await intake.http.get("/ready", params={"requests": True})).status_code == 200
    answer = await intake.lead(name="Ada Lind", phone="+18015550149")
    assert answer.status_code == 201, answer.text
    async with leading_to(port, world.kafka):
        await eventually(reasons, equals={}, timeout=60)
        async with board.service.reading() as uow:
            known = "select count(*) from facts where patient_id = $1"
            await eventually(lambda: uow.conn.fetchval(known, UUID(answer.json()["patient_id"])), equals=1, timeout=30)


@pytest.mark.needs_durable_broker  # the embedded one makes a topic, of its own kind, as soon as it is asked for
async def test_services_that_start_before_their_topics_are_made_go_on_when_they_are(world, start, eventually):
    """The job that makes them waits for a broker, and nobody waits for the job for good."""
    prefix = f"{world.kafka_prefix}later."
    intake = await Intake.of(await start("intake", kafka_prefix=prefix), world)
    board = await start("dashboard", kafka_prefix=prefix)

    async def reasons():
        return (await intake.http.get("/ready")).json().get("reasons", {})

    answer = await intake.lead(name="Ada Lind", phone="+18015550151")
    assert answer.status_code == 201, answer.text
    assert "yet" in (await reasons())["consumer"]
    await create_topics(world.kafka, prefix=prefix)
    async with board.service.reading() as uow:
        known = "select count(*) from facts where patient_id = $1"
        await eventually(lambda: uow.conn.fetchval(known, UUID(answer.json()["patient_id"])), equals=1, timeout=60)
    await eventually(reasons, equals={}, timeout=30)
