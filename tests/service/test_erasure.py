"""A patient is erased, by all services together: whoever had everything, and the clinic's key file, reads nothing more.

The tests of this module are the steps of one story and run in its order.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.intake.handlers.people import treated
from shared.contracts.base import SOURCES
from tests.support import secrecy, thief
from tests.support.dashboard import Desk
from tests.support.intake import Intake
from tests.support.world import Running, World

Eventually = Callable[..., Awaitable[Any]]
READERS = ("intake", "assessment", "scheduling", "notifications", "dashboard")
PERSON = {"name": "Zebulon Quartermain", "phone": "+18015550923", "email": "zebulon@quartermain.example"}
WORDS = ("Since the accident I cannot sleep", "walk in the mountains again", "it was about Zebulon's brother")
SAID = (*PERSON.values(), *WORDS)
REPLAY = "insert into replay_requests (from_at, requested_by) values ('epoch', 'test')"
KEPT_ROWS = "select count(*) from {schema}.patient_keys where subject = $1"
BURIED = "select count(*) from {schema}.tombstones where subject = $1"


@dataclass
class House:
    """The services that know of patients, and who is known there."""

    world: World
    services: dict[str, Running]
    intake: Intake
    patient: UUID
    kept: UUID
    task: UUID

    async def staff(self, service: str, method: str, path: str, who: str = "dana", **more: Any) -> int:
        running = self.services[service]
        answer = await running.http.request(method, f"/api/v1{path}", headers=running.as_staff(who), **more)
        return answer.status_code

    async def readable(self, *, topics: bool) -> set[str]:
        """What of what was said can still be read by whoever has the database, or also the topics, and the key file."""
        keyring = self.services["intake"].service.keyring
        async with self.world.connection() as conn:
            places = await secrecy.tables(conn)
            keys = await thief.keys_in(conn, keyring, READERS)
        if topics:
            places += [one for one in await secrecy.topics(self.world.kafka) if self.world.kafka_prefix in one[0]]
        texts = b"\n".join(thief.opened(keyring, places, keys))
        return {said for said in SAID if said.encode() in texts}


@pytest.fixture(scope="module")
async def house(world: World) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        services = {name: await stack.enter_async_context(world.start(name)) for name in READERS}
        intake = await Intake.of(services["intake"], world)
        assert (await intake.text(WORDS[2], "")).status_code == 200
        (kept,) = await intake.kept()
        lead = {**PERSON, "message": WORDS[0]}
        made = await intake.http.post(
            f"/api/v1/contacts/{kept['id']}/resolve",
            json={"outcome": "became-lead", "lead": lead},
            headers=services["intake"].as_staff("dana"),
        )
        assert made.status_code == 200, made.text
        ((task,),) = await intake.rows("select id from tasks where subject = $1", UUID(kept["id"]))
        yield House(world, services, intake, UUID(made.json()["patient_id"]), UUID(kept["id"]), task)


async def known(conn: asyncpg.Connection, sql: str, subject: UUID) -> list[int]:
    return [await conn.fetchval(sql.format(schema=name), subject) for name in READERS]


async def test_what_they_said_can_be_read_while_they_are_a_patient(house: House, eventually: Eventually) -> None:
    async with house.world.connection() as conn:
        await eventually(lambda: known(conn, KEPT_ROWS, house.patient), equals=[1] * len(READERS))
        await eventually(lambda: conn.fetchval(KEPT_ROWS.format(schema="dashboard"), house.task), equals=1)
    goals = {"version": 0, "content": {"hopes": WORDS[1]}}
    assert await house.staff("assessment", "PUT", f"/charts/{house.patient}/goals", json=goals) == 200
    assert await house.readable(topics=False) == set(SAID)


async def test_after_the_erasure_no_service_has_a_key(house: House, eventually: Eventually) -> None:
    assert await house.intake.erased(house.patient) == 204
    async with house.world.connection() as conn:
        await eventually(lambda: known(conn, BURIED, house.patient), equals=[1] * len(READERS))
        assert await known(conn, KEPT_ROWS, house.patient) == [0] * len(READERS)
        for aside in (house.kept, house.task):
            assert await known(conn, KEPT_ROWS, aside) == [0] * len(READERS)


async def test_what_was_read_before_is_read_no_more(house: House) -> None:
    assert await house.readable(topics=False) == set()
    for service, path in (("intake", "patients"), ("assessment", "charts")):
        assert await house.staff(service, "GET", f"/{path}/{house.patient}") in (404, 410)
    async with await Desk(house.services["dashboard"]).as_staff("dana") as browser:
        page = await browser.get(f"/patients/{house.patient}")
        found = [
            await browser.post("/patients", data={"q": asked}, follow_redirects=True)
            for asked in ("Quartermain", "555-0923", PERSON["email"].upper())
        ]
    shown = "".join(one.text for one in (page, *found))
    assert not [said for said in (*SAID, f'href="/patients/{house.patient}"') if said in shown]


async def test_replaying_every_log_brings_nothing_back(house: House, eventually: Eventually) -> None:
    async with house.world.connection() as conn:
        # Somebody who begins anew: everything that the dashboard was told is told again, and it kept no tombstone.
        await conn.execute("truncate dashboard.inbox, dashboard.tombstones, dashboard.patient_keys")
    for source in SOURCES:
        async with house.world.connection(source) as conn:
            await conn.execute(REPLAY)
    async with house.world.connection() as conn:
        waiting = "select count(*) from {schema}.replay_requests where done_at is null"
        await eventually(lambda: asked(conn, waiting), equals=[0] * len(SOURCES), timeout=60)
        await eventually(lambda: known(conn, BURIED, house.patient), equals=[1] * len(READERS), timeout=60)
        assert await known(conn, KEPT_ROWS, house.patient) == [0] * len(READERS)
        for aside in (house.kept, house.task):
            assert await known(conn, KEPT_ROWS, aside) == [0] * len(READERS)
    assert await house.readable(topics=False) == set()


async def asked(conn: asyncpg.Connection, sql: str) -> list[int]:
    return [await conn.fetchval(sql.format(schema=name)) for name in SOURCES]


async def test_the_broker_keeps_the_key_for_as_long_as_its_topics_say_and_no_service_takes_it_from_there(
    house: House,
) -> None:
    """What is honest: until the topic forgets its first event, it holds the key that the clinic's key file opens."""
    assert PERSON["name"] in await house.readable(topics=True)
    async with house.world.connection() as conn:
        assert await known(conn, KEPT_ROWS, house.patient) == [0] * len(READERS)


async def test_who_was_treated_is_not_erased_before_the_day_that_is_named(house: House) -> None:
    answer = await house.intake.lead(name="Treated Person", phone="+18015550924")
    patient = UUID(answer.json()["patient_id"])
    running = house.services["intake"]
    async with running.service.transaction(actor="system:scheduling") as uow:
        await treated(uow, patient, uow.now)
        until = uow.now.replace(year=uow.now.year + running.service.settings.chart_retention_years)
    refused = await running.http.post(f"/api/v1/patients/{patient}/erase", headers=running.as_staff("ops"))
    assert refused.status_code == 409
    assert refused.json()["code"] == "chart_locked"
    assert f"{until:%Y-%m-%d}" in refused.json()["detail"]
    async with house.world.connection() as conn:
        assert await conn.fetchval(KEPT_ROWS.format(schema="intake"), patient) == 1
