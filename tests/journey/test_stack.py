"""`make up`: everything starts, is kept running, and leaves nothing behind."""

import asyncio
import json
import os
import signal
import socket
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from deploy.embedded.plan import Plan
from deploy.embedded.processes import StartFailed
from deploy.embedded.stack import CONSUMERS, DEMO, Stack
from deploy.embedded.wiring import PROCESSES
from passage.recover import READERS
from shared.db.migrate import SERVICES
from shared.inbox.positions import NUMBER
from tests.support.stack import Terminal, alive, processes_mentioning, started

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]
ROLES = {"front_desk", "provider", "monitor", "operations", "auditor"}


@pytest.fixture(scope="module")
async def running(tmp_path_factory):
    stack, teller = await started(tmp_path_factory.mktemp("stack") / "state")
    stack.teller = teller
    yield stack
    await stack.stop()
    assert processes_mentioning(str(stack.state)) == []


async def ready(stack, name):
    async with httpx.AsyncClient() as http:
        return (await http.get(f"{stack.url(name)}/ready")).status_code == 200


async def test_every_process_is_ready_and_stack_json_says_where(running):
    facts = json.loads((running.state / "stack.json").read_text())
    assert set(facts["urls"]) == set(PROCESSES)
    for name in PROCESSES:
        assert await ready(running, name)
    assert all(alive(pid) for pid in facts["pids"].values())
    assert {one["role"] for one in facts["logins"]} >= ROLES
    assert (running.state / "stack.json").stat().st_mode & 0o077 == 0
    assert (running.state / "secrets").stat().st_mode & 0o077 == 0


async def test_each_log_in_has_an_account(running):
    connection = await asyncpg.connect(running.facts["database_url"])
    accounts = {row["person_id"] for row in await connection.fetch("select person_id from identity.accounts")}
    await connection.close()
    assert accounts == {one["id"] for one in running.facts["logins"]}


async def test_a_second_start_in_the_same_folder_says_that_it_runs(running):
    with pytest.raises(StartFailed, match=running.url("dashboard")):
        await Stack(running.state, ports="any").start()
    assert await ready(running, "intake")


@pytest.mark.parametrize("name", PROCESSES)
async def test_a_crashed_process_is_named_with_its_last_lines_and_started_again(running, eventually, name):
    before = running.members[name].program.pid
    running.kill(name)
    await eventually(lambda: any(told.startswith(f"{name} ended with -9") for told in running.teller.troubles))
    await eventually(lambda: running.members[name].program.pid != before)
    await eventually(lambda: ready(running, name), timeout=60, tolerate=(httpx.HTTPError,))
    written = json.loads((running.state / "stack.json").read_text())["pids"][name]
    assert written == running.members[name].program.pid


@pytest.mark.parametrize("part", ["postgres", "broker"])
async def test_database_and_broker_come_back_and_everything_is_ready_again(running, eventually, part):
    before = running.members[part].program.pid
    running.kill(part)
    await eventually(lambda: running.members[part].program.pid != before, timeout=30)
    for name in SERVICES:
        await eventually(lambda name=name: ready(running, name), timeout=60, tolerate=(httpx.HTTPError,))


async def send_lead(running, phone):
    headers = {"x-api-key": running.facts["producer_key"], "idempotency-key": uuid4().hex}
    async with httpx.AsyncClient() as http:
        answer = await http.post(
            f"{running.url('intake')}/api/v1/leads", json={"name": "Ada Park", "phone": phone}, headers=headers
        )
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["patient_id"])


async def behind(running, patient):
    """Who has not applied everything that intake said of the patient."""
    connection = await asyncpg.connect(running.facts["database_url"])
    try:
        return [
            reader
            for reader in READERS["intake"]
            if await connection.fetchval(
                f"select coalesce((select sequence from {reader}.inbox where (source, subject) = ($1, $2)), 0)"
                f" < (select sequence from intake.streams where subject = $2)",
                NUMBER["intake"],
                patient,
            )
        ]
    finally:
        await connection.close()


async def test_what_the_broker_forgot_is_published_again_for_whoever_still_needs_it(running, eventually):
    dashboard = running.members["dashboard"].program
    dashboard.send(signal.SIGSTOP)
    patient = await send_lead(running, "(801) 555-0171")
    await eventually(lambda: behind(running, patient), equals=["dashboard"])
    before = running.members["broker"].program.pid
    readers = [running.members[name].program for name in CONSUMERS]
    running.kill("broker")
    await eventually(lambda: running.members["broker"].program.pid != before, timeout=30)
    # the new one would believe what they remember of the old one
    assert not any(reader.running for reader in readers)
    dashboard.send(signal.SIGCONT)
    await eventually(lambda: behind(running, patient), equals=[], timeout=90)


async def test_a_second_start_finds_yesterdays_patients_and_what_nobody_had_read_yet(tmp_path, eventually):
    first, _ = await started(tmp_path)
    read = await send_lead(first, "(801) 555-0172")
    await eventually(lambda: behind(first, read), equals=[])
    first.members["dashboard"].program.send(signal.SIGSTOP)
    unread = await send_lead(first, "(801) 555-0173")
    await eventually(lambda: behind(first, unread), equals=["dashboard"])
    ports, logins = first.facts["urls"], first.facts["logins"]
    first.kill("dashboard")
    await first.stop()

    second, _ = await started(tmp_path)
    try:
        assert (second.facts["urls"], second.facts["logins"]) == (ports, logins)
        await eventually(lambda: behind(second, unread), equals=[], timeout=30)
        assert await behind(second, read) == []
    finally:
        await second.stop()


async def test_a_killed_supervisor_leaves_no_process(tmp_path, eventually):
    state = tmp_path / "state"
    terminal = Terminal(state)
    facts = await eventually(terminal.facts, timeout=120)
    os.kill(terminal.process.pid, signal.SIGKILL)
    terminal.end()
    await eventually(lambda: not any(map(alive, facts["pids"].values())), timeout=20)
    await eventually(lambda: processes_mentioning(str(state)), equals=[])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_ctrl_c_and_sigterm_end_everything_cleanly(tmp_path, eventually, number):
    state = tmp_path / "state"
    terminal = Terminal(state)
    facts = await eventually(terminal.facts, timeout=120)
    terminal.send(number)
    code, told = await asyncio.to_thread(terminal.end)
    assert code == 0, told
    assert facts["urls"]["dashboard"] in told
    assert "Traceback" not in told
    assert processes_mentioning(str(state)) == []
    assert not (state / "stack.json").exists()


async def test_ctrl_c_while_it_starts_ends_everything_too(tmp_path, eventually):
    state = tmp_path / "state"
    terminal = Terminal(state)
    await eventually(lambda: (state / "logs" / "postgres.log").exists(), timeout=60)
    terminal.send(signal.SIGINT)
    code, told = await asyncio.to_thread(terminal.end)
    assert code == 130, told
    assert processes_mentioning(str(state)) == []


def test_a_taken_port_is_avoided_and_named(tmp_path):
    kept = Plan.make(tmp_path, ports="any", clinic=DEMO, changes={}).wiring.ports
    with socket.create_server(("127.0.0.1", kept["intake"])):
        plan = Plan.make(tmp_path, ports="usual", clinic=DEMO, changes={})
    assert plan.wiring.ports["intake"] != kept["intake"]
    assert plan.wiring.ports["dashboard"] == kept["dashboard"]
    assert plan.moved == [f"intake {kept['intake']} → {plan.wiring.ports['intake']}"]


def test_a_plan_suits_its_broker(tmp_path):
    """Apache Kafka takes no session of less than six seconds; the embedded broker knows no idempotent producer."""
    told = {
        kafka: Plan.make(tmp_path, ports="any", clinic=DEMO, changes={}, kafka=kafka).wiring
        for kafka in ("embedded", "jvm")
    }
    assert told["jvm"].kafka_idempotent
    assert told["jvm"].kafka_session_ms >= 6_000
    assert not told["embedded"].kafka_idempotent


async def test_a_service_that_can_not_start_is_named_with_its_log_and_nothing_stays(tmp_path):
    stack = Stack(tmp_path, ports="any", settings={"intake": {"producer_per_minute": 0}})
    with pytest.raises(StartFailed, match=r"(?s)intake did not become ready.*producer_per_minute"):
        await stack.start()
    assert processes_mentioning(str(tmp_path)) == []
