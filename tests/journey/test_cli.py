"""The command line against a running stack: what an operator types."""

import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import httpx
import pyotp
import pytest
from aiokafka import AIOKafkaProducer

from shared.contracts.topics import TOPICS

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]
ROOT = Path(__file__).parents[2]


def passage(*arguments, state=Path("nowhere"), stdin="", **variables):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PASSAGE_")}
    return subprocess.run(
        [sys.executable, "-m", "passage", "--state", str(state), *arguments],
        cwd=ROOT,
        env={**inherited, "COLUMNS": "300", **variables},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
async def database(stack):
    connection = await asyncpg.connect(stack.facts["database_url"])
    yield connection
    await connection.close()


@pytest.mark.parametrize(
    "command",
    [["dlq", "list"], ["migrate"], ["topics"], ["serve", "intake"], ["clock", "show"], ["doctor"], ["verify"]],
)
def test_without_a_stack_a_command_says_what_is_missing(command):
    done = passage(*command)
    assert done.returncode == 2
    assert "PASSAGE_" in done.stderr
    assert "make up" in done.stderr
    assert "Traceback" not in done.stderr


def test_policy_check_names_what_waits_for_a_signature():
    done = passage("policy", "check", "deploy/clinics/harbor.toml")
    assert done.returncode == 0, done.stdout
    assert "to sign" in done.stdout
    assert "Harbor Clinic: usable" in done.stdout


def test_policy_check_refuses_a_file_that_no_service_would_start_with(tmp_path):
    clinics = shutil.copytree(ROOT / "deploy" / "clinics", tmp_path / "clinics")
    broken = clinics / "harbor.toml"
    broken.write_text(broken.read_text().replace('zone = "America/Denver"', 'zone = "America/Denvre"'))
    done = passage("policy", "check", str(broken))
    assert done.returncode == 1
    assert "America/Denver" in done.stdout


def test_migrate_and_topics_have_nothing_left_to_do(stack):
    migrated = passage("migrate", state=stack.state)
    assert migrated.stdout.count("up to date") == 6, migrated.stdout + migrated.stderr
    listed = passage("topics", state=stack.state)
    assert all(topic.name in listed.stdout for topic in TOPICS), listed.stderr
    assert "created" not in listed.stdout


async def test_the_clock_moves_forward_only(stack):
    before = passage("clock", "advance", "--minutes", "90", state=stack.state)
    moment = datetime.strptime(before.stdout[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    assert timedelta(minutes=89) < moment - datetime.now(UTC) < timedelta(minutes=91)
    assert passage("clock", "advance", "--minutes", "-5", state=stack.state).returncode == 2
    assert "0:00:00 ahead" in passage("clock", "advance", "--reset", state=stack.state).stdout


async def test_an_account_is_made_for_a_person_of_the_clinic_only(stack, database):
    made = passage("user", "add", "bell", "--password", "two rooms and a view", state=stack.state)
    secret = re.search(r"secret=([A-Z2-7]+)", made.stdout)
    assert secret, made.stdout + made.stderr
    assert pyotp.TOTP(secret[1]).now()
    assert await database.fetchval("select count(*) from identity.accounts where person_id = 'bell'") == 1
    stranger = passage("user", "add", "nobody", "--password", "two rooms and a view", state=stack.state)
    assert stranger.returncode == 2
    assert "not among the people" in stranger.stderr


async def test_a_producer_is_let_in_by_the_key_it_was_given(stack):
    key = passage("producer", "add", "partner", state=stack.state).stdout.strip()
    async with httpx.AsyncClient(base_url=stack.url("intake")) as http:
        lead = {"name": "Noor Haddad", "email": "noor@example.org"}
        for shown, status in ((key, 201), (f"{key}x", 401)):
            headers = {"x-api-key": shown, "idempotency-key": uuid4().hex}
            assert (await http.post("/api/v1/leads", json=lead, headers=headers)).status_code == status


async def test_replay_asks_the_relay_and_it_does_it(stack, database, eventually):
    done = passage("replay", "intake", "--all", state=stack.state)
    assert done.returncode == 0, done.stderr
    waiting = "select count(*) from intake.replay_requests where done_at is null"
    await eventually(lambda: database.fetchval(waiting), equals=0)
    told = passage("replay", "intake", "--all", "--type", "LeadCreated", "--dry-run", state=stack.state).stdout
    assert "nothing was asked for" in told
    assert "dashboard skips" in told
    assert await database.fetchval("select count(*) from intake.replay_requests where type is not null") == 0
    assert passage("replay", "intake", state=stack.state).returncode == 2
    assert passage("replay", "dashboard", "--all", state=stack.state).returncode == 2
    assert passage("replay", "--needed", state=stack.state).returncode == 0


async def test_a_dead_letter_is_listed_shown_and_dropped(stack, database, eventually):
    async with AIOKafkaProducer(bootstrap_servers=stack.facts["kafka"]) as producer:
        await producer.send_and_wait("passage.scheduling.v1", b"\x00 not an event", key=b"poison")
    open_letters = "select id from dashboard.dead_letters where resolved_at is null"
    letter = str(await eventually(lambda: database.fetchval(open_letters), timeout=30))
    assert letter in passage("dlq", "list", "dashboard", state=stack.state).stdout
    shown = passage("dlq", "show", "dashboard", letter, state=stack.state).stdout
    assert "not an event" in shown
    assert "poison" in shown
    told = passage("doctor", state=stack.state)
    assert told.returncode in {1, 2}, told.stdout
    assert "1 open" in told.stdout
    assert "passage dlq list dashboard" in told.stdout
    assert passage("dlq", "drop", "dashboard", letter, "--because", " ", state=stack.state).returncode == 2
    dropped = passage("dlq", "drop", "dashboard", letter, "--because", "a stranger's bytes", state=stack.state)
    assert dropped.returncode == 0, dropped.stderr
    await eventually(lambda: database.fetchval(open_letters), equals=None, timeout=30)
    again = passage("dlq", "drop", "dashboard", letter, "--because", "once more", state=stack.state)
    assert again.returncode == 2
    assert "no waiting dead letter" in again.stderr


async def test_a_running_stack_is_verified_while_it_works(stack, database, eventually):
    lead = {"name": "Noor Haddad", "email": "noor@example.org"}
    headers = {"x-api-key": stack.facts["producer_key"], "idempotency-key": uuid4().hex}
    async with httpx.AsyncClient(base_url=stack.url("intake")) as http:
        patient = (await http.post("/api/v1/leads", json=lead, headers=headers)).json()["patient_id"]
    known = "select count(*) from dashboard.facts where patient_id = $1"
    await eventually(lambda: database.fetchval(known, UUID(patient)), timeout=30)
    equal = passage("verify", state=stack.state)
    assert equal.returncode == 0, equal.stdout + equal.stderr
    assert "all as they should be" in equal.stdout
    change = """update dashboard.facts set facts = facts || '{"language": "xx"}' where patient_id = $1"""
    await database.execute(f"{change} and source = 'intake'", UUID(patient))
    differs = passage("verify", "dashboard", state=stack.state)
    assert differs.returncode == 1
    assert f"facts of {patient} (intake)" in differs.stdout
    rebuilt = passage("rebuild", "dashboard", "--subject", patient, state=stack.state)
    assert rebuilt.returncode == 0, rebuilt.stderr
    await eventually(lambda: passage("verify", "dashboard", state=stack.state).returncode, equals=0, timeout=40)


def test_the_clinics_key_is_rotated_step_by_step(stack):
    assert "k1" in passage("keys", "status", state=stack.state).stdout
    assert "k2 is active" in passage("keys", "rotate", state=stack.state).stdout
    early = passage("keys", "retire", "k1", "--topics-forgot", state=stack.state)
    assert (early.returncode, "run `passage keys rewrap` first" in early.stderr) == (2, True)
    done = passage("keys", "rewrap", state=stack.state)
    assert done.returncode == 0, done.stderr
    assert "identity: accounts" in done.stdout
    assert passage("keys", "retire", "k1", state=stack.state).returncode == 2
    shown = passage("keys", "status", state=stack.state)
    assert shown.returncode == 0, shown.stdout


def test_a_running_stack_is_not_reset(stack):
    done = passage("reset", state=stack.state)
    assert done.returncode == 2
    assert "stop it first" in done.stderr
