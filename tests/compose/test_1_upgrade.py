"""The release before is running, leads come in, and the operator upgrades, goes back, and upgrades again."""

import asyncio
import json
import re
from collections import Counter
from functools import partial

import pytest

from shared.db.migrate import SERVICES, migrations_of
from tests.support.composed import Composed
from tests.support.steady import Steady, leads_come_in
from tests.support.visiting import texts
from tests.support.waiting import eventually

LEADS = "select subject from intake.event_log where type = 'passage.intake.LeadCreated.v1'"
KNOWN = (
    "select id from intake.patients",
    LEADS,
    "select patient_id from assessment.charts",
    "select id from notifications.patients",
    "select patient_id from dashboard.facts where source = 'intake'",
)
"""Where each accepted contact must be, once."""


def images(stack):
    return {name: stack.inspect(name, "{{.Image}} {{.State.Health.Status}}") for name in SERVICES}


async def all_run(stack, image):
    expected = stack.run("docker", "image", "inspect", "--format", "{{.Id}}", image).strip()
    await eventually(lambda: images(stack), equals={name: [f"{expected} healthy"] for name in SERVICES}, timeout=60)


def migrations(stack):
    union = " union all ".join(f"select '{name}', origin, name from {name}.migrations" for name in SERVICES)
    return set(stack.select(union))


def known(stack, statement):
    return sorted(stack.select(statement))


async def nobody_is_lost_or_doubled(stack: Composed, seen: Steady):
    wanted = sorted(map(str, seen.accepted.values()))
    assert len(set(wanted)) == len(wanted) > 20, "every contact was somebody of their own"
    for statement in KNOWN:
        await eventually(partial(known, stack, statement), equals=wanted, timeout=90, every=1)

    async def one_text_each():
        told = [text["to"] for text in await texts(stack)]
        assert sorted(told) == sorted(seen.accepted), f"{len(told)} texts to {len(set(told))} of {len(seen.accepted)}"
        return True

    await eventually(one_text_each, timeout=180, every=1)


def test_0_the_compose_file_is_valid_in_every_profile_and_asks_for_what_is_missing(tmp_path):
    there = Composed.prepare(tmp_path)
    said = there.compose("--profile", "*", "config", "--format", "json")
    assert set(SERVICES) < set(json.loads(said)["services"])
    there.env.write_text("")
    assert "make secrets" in there.compose("config", "-q", check=False)


def test_0_what_was_never_built_is_built_by_up_and_looked_for_nowhere(tmp_path):
    there = Composed.prepare(tmp_path)
    asked = ("env", "PASSAGE_VERSION=never-built", "docker", "compose", "--dry-run", "create")
    said = there.run(*asked, check=False)
    assert "naming to passage:never-built" in said
    assert not re.search(rf"({'|'.join(SERVICES)}|migrations|topics|sandbox) Pulling", said), said


async def test_1_the_release_before_is_built_and_comes_up(stack):
    await all_run(stack, stack.image)


async def test_2_it_is_upgraded_while_leads_come_in_and_nobody_notices(stack, releases, say):
    if releases.before is None:
        pytest.skip("this checkout has no past: neither a release nor a commit with fewer migrations")
    before, [old] = migrations(stack), {line.split()[0] for lines in images(stack).values() for line in lines}
    async with leads_come_in(stack) as seen:
        await eventually(lambda: len(seen.accepted) > 10, timeout=60)
        releases.pull(releases.today)
        await asyncio.to_thread(stack.follow, "Upgrade")
        await all_run(stack, stack.image)
        upgraded = len(seen.accepted)
        await asyncio.to_thread(stack.follow, "Going back")
        await all_run(stack, old)
        await asyncio.to_thread(stack.compose, "up", "--detach", "--wait")  # its migrations leave newer schemas alone
        await all_run(stack, old)
        await asyncio.to_thread(stack.follow, "Upgrade")
        await all_run(stack, stack.image)
        await eventually(lambda: len(seen.accepted) > upgraded + 10, timeout=60)
    say(f"through two upgrades and a way back: {seen.told()}; {Counter(seen.refused)}")
    today = {f"{name}|{one.origin}|{one.name}" for name in SERVICES for one in migrations_of(name)}
    assert before < migrations(stack) == today
    await nobody_is_lost_or_doubled(stack, seen)
    assert "all as they should be" in stack.follow("Verify")


def test_3_a_version_that_does_not_become_ready_replaces_nothing(stack):
    running = stack.compose("ps", "-q", "intake", "assessment")
    settings = stack.env.read_text()
    stack.settle(PASSAGE_CLINIC="no-such-clinic.toml")
    try:
        said = stack.run("deploy/compose/roll", "assessment", "intake", check=False)
    finally:
        stack.env.write_text(settings)
    assert "assessment did not become ready" in said
    assert "no-such-clinic.toml" in said, "its last words are shown"
    assert stack.compose("ps", "-aq", "intake", "assessment") == running
