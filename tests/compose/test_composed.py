"""The compose stack for real, as its operator runs it: one story, in the order of its tests.

`make test` checks that the file is valid; the rest takes minutes and belongs to `make test-compose`.
"""

import json
import os
import re
from pathlib import Path

import httpx
import pytest

from tests.support.composed import Composed, browser, why_not
from tests.support.person import Person
from tests.support.waiting import eventually

WHY_NOT = why_not()
LONG = "PASSAGE_TEST_COMPOSE" in os.environ
SERVICES = ("intake", "assessment", "scheduling", "notifications", "dashboard", "identity")
SCHEMAS = ("intake", "assessment", "scheduling", "notifications")

pytestmark = [pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "-"), pytest.mark.timeout(900)]
long = pytest.mark.skipif(not LONG, reason="takes minutes: `make test-compose` runs it")


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    made = Composed.prepare(tmp_path_factory.mktemp("composed"))
    yield made
    if LONG:
        made.compose("--profile", "*", "down", "--volumes", "--remove-orphans", check=False)


async def enquire(stack, name, phone):
    """A patient writes an enquiry through the one origin."""
    patient = Person(browser())
    page = await patient.open(f"{stack.origin}/enquiry")
    form = page.form(lang="en")
    thanks = await patient.send(page, form, name=name, phone=phone, consent_sms="yes")
    assert thanks.status == 200, thanks.text
    assert thanks.url.startswith(f"{stack.origin}/enquiry/thanks"), thanks.url
    await patient.close()


async def texts(stack, phone):
    async with httpx.AsyncClient() as http:
        return (await http.get(f"{stack.sandbox}/api/messages", params={"to": phone})).json()


def login_of(stack, person):
    staff = stack.compose("exec", "-T", "sandbox", "cat", "/state/staff.json")
    return next(one for one in json.loads(staff)["staff"] if one["id"] == person)


async def board_shows(stack, *names):
    """Somebody signs in and sees these people."""
    dana = Person(browser())
    await dana.sign_in(stack.origin, login_of(stack, "dana"))

    async def all_there():
        page = await dana.open(f"{stack.origin}/")
        return page.status == 200 and all(name in page.text for name in names)

    await eventually(all_there, timeout=60)
    await dana.close()


def history(stack):
    """How many events each service has committed."""
    return {schema: stack.count(f"select count(*) from {schema}.event_log") for schema in SCHEMAS}


def test_0_the_compose_file_is_valid_in_every_profile_and_asks_for_what_is_missing(stack, tmp_path):
    said = stack.compose("--profile", "*", "config", "--format", "json")
    assert set(SERVICES) < set(json.loads(said)["services"])
    empty = Composed(tmp_path, "passage-test-none", 1, 1)
    empty.env.write_text("")
    assert "make secrets" in empty.compose("config", "-q", check=False)


@long
def test_1_it_is_built_and_comes_up_ready(stack):
    stack.compose("build", seconds=800)
    stack.up()
    health = stack.inspect("intake", "{{.State.Health.Status}} {{.Config.User}} {{.HostConfig.ReadonlyRootfs}}")
    assert health == ["healthy 10001:10001 true"]


@long
def test_2_the_image_is_small_and_carries_no_build_tools(stack):
    size = stack.run(
        "docker", "image", "inspect", "--format", "{{.Size}}", "passage:0.1.0", "python:3.11-slim-bookworm"
    )
    ours, base = map(int, size.split())
    assert ours - base <= 200e6, f"{(ours - base) / 1e6:.0f} MB above the base"
    tools = "which gcc cc make uv npm node git; true"
    assert stack.compose("exec", "-T", "intake", "sh", "-c", tools) == ""
    assert stack.compose("exec", "-T", "intake", "sh", "-c", "touch /app/x 2>&1; true").strip().endswith("system")


@long
def test_3_only_caddy_is_reachable_from_other_machines(stack):
    ports = stack.compose("ps", "--format", "{{.Service}} {{.Ports}}").splitlines()
    published = {line.split()[0]: line for line in ports if "->" in line}
    assert set(published) == {"caddy", "sandbox"}
    assert re.findall(r"([\d.]+):\d+->", published["sandbox"]) == ["127.0.0.1"]


@long
async def test_4_an_enquiry_through_caddy_is_answered_and_on_the_board(stack):
    await enquire(stack, "Jonah Price", "(801) 555-0148")
    await eventually(lambda: texts(stack, "+18015550148"), timeout=60)
    await board_shows(stack, "Jonah Price")


@long
async def test_5_what_is_inside_stays_inside(stack):
    async with browser(base_url=stack.origin) as http:
        for path in ("/metrics", "/ready", "/api/v1/charts/x", "/api/v1/tasks"):
            assert (await http.get(path)).status_code == 404, path


@long
async def test_6_a_service_that_dies_is_back_by_itself_and_nothing_is_lost(stack):
    [before, pid] = stack.inspect("assessment", "{{.State.StartedAt}}\n{{.State.Pid}}")
    # From outside its container, as the kernel would when memory runs out; `docker kill` would count as wanted.
    stack.run("docker", "run", "--rm", "--pid=host", "--user=0", "passage:0.1.0", "sh", "-c", f"kill -9 {pid}")
    await enquire(stack, "Ada Lind", "(801) 555-0149")
    back = "{{.State.StartedAt}} {{.State.Health.Status}}"
    await eventually(lambda: stack.inspect("assessment", back)[0].endswith(" healthy"), timeout=120)
    assert stack.inspect("assessment", "{{.State.StartedAt}}") != [before]
    await eventually(lambda: stack.count("select count(*) from assessment.charts") == 2, timeout=60)


@long
async def test_7_three_replicas_share_the_work(stack):
    stack.compose("up", "-d", "--wait", "--scale", "notifications=3", "--no-recreate")
    assert stack.inspect("notifications", "{{.State.Health.Status}}") == ["healthy"] * 3
    await enquire(stack, "Mia Torres", "(801) 555-0150")
    assert len(await eventually(lambda: texts(stack, "+18015550150"), timeout=60)) == 1


@long
async def test_8_down_and_up_again_loses_nothing(stack):
    before = history(stack)
    stack.compose("down", seconds=240)
    stack.up()
    after = history(stack)
    assert all(after[name] >= before[name] for name in SCHEMAS), (before, after)
    await board_shows(stack, "Jonah Price", "Ada Lind", "Mia Torres")


@long
async def test_9_a_lost_broker_loses_nothing(stack):
    before = history(stack)
    stack.run("deploy/compose/broker-lost", seconds=600)
    await enquire(stack, "Noor Haddad", "(801) 555-0151")
    await board_shows(stack, "Jonah Price", "Noor Haddad")
    assert all(history(stack)[name] >= before[name] for name in SCHEMAS)


@long
async def test_10_a_backup_is_restored_into_an_empty_stack(stack, tmp_path):
    before = history(stack)
    file = Path(stack.run("deploy/compose/backup", str(tmp_path)).strip())
    refused = stack.run("deploy/compose/restore", str(file), check=False)
    assert "There is data here already" in refused
    stack.compose("down", "--volumes", seconds=240)
    stack.run("deploy/compose/restore", str(file), seconds=900)
    after = history(stack)
    assert all(after[name] >= before[name] for name in SCHEMAS), (before, after)
    await enquire(stack, "Eli Stone", "(801) 555-0152")
    await eventually(lambda: texts(stack, "+18015550152"), timeout=90)


@long
def test_11_new_database_passwords_take_one_command(stack):
    old = (stack.folder / "secrets" / "intake_database_url").read_text()
    stack.run("deploy/compose/rotate-passwords", seconds=600)
    assert (stack.folder / "secrets" / "intake_database_url").read_text() != old
    assert stack.inspect("intake", "{{.State.Health.Status}}") == ["healthy"]
