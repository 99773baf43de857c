"""The checker is checked: each broken promise is seen by the same invariants that judge a whole run, and the same
workload, just before and on the same database, leaves nothing to see while the promise is kept.
"""

from datetime import timedelta
from typing import Any

import pytest

from services.notifications import jobs
from services.notifications.domain.delivery import State
from services.notifications.handlers import delivery
from shared.contracts.intake import ConsentKind
from tests.chaos.collect import messages_into
from tests.chaos.facts import Facts
from tests.chaos.mutants import MUTANTS, Mutant
from tests.chaos.rules import judge
from tests.chaos.scene import Scene
from tests.support.notifications import Desk, desk
from tests.support.world import World

CAUGHT: dict[str, str] = {}
MARKED, MARKED_CAUGHT_BY = "mark before send", "8 reminders once, by day"


def spoke(facts: Facts) -> list[str]:
    """The invariants that found something."""
    return [name for name, finding in judge(facts).items() if finding.violations]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name)
async def test_a_mutant_is_caught(mutant: Mutant, fresh_world: World, monkeypatch: Any) -> None:
    scene = Scene(fresh_world, monkeypatch)
    await scene.open(broker=mutant.broker)
    try:
        assert spoke(await mutant.run(scene)) == [], "the promise was kept"
        scene.mutated = True
        await mutant.mutate(scene)
        found = spoke(await mutant.run(scene))
    finally:
        await scene.close()
    assert mutant.caught_by in found
    CAUGHT[mutant.name] = ", ".join(found)


async def test_marking_before_sending_is_caught(fresh_world: World, monkeypatch: Any) -> None:
    """The carrier is away when a text is due, and comes back."""
    hand_over = jobs._hand_over

    async def marks_first(service: Any, way: Any, job: Any) -> None:
        async with service.transaction(actor=jobs.ACTOR) as uow:
            await delivery.note(uow, job.out.id, State.SENT)
        await hand_over(service, way, job)

    async def a_text_is_due() -> list[str]:
        await notifications.outside.break_(sms="down")
        await notifications.lead(email=None, consents=(ConsentKind.SMS,))
        await notifications.deliver()
        await notifications.outside.break_()
        await _try_again_now(notifications)
        facts = Facts()
        async with fresh_world.connection() as conn:
            await messages_into(conn, facts, notifications.outside.settings.state_file, fresh_world.clinic_file)
        return spoke(facts)

    async with desk(fresh_world) as notifications:
        assert await a_text_is_due() == [], "the promise was kept"
        monkeypatch.setattr(jobs, "_hand_over", marks_first)
        found = await a_text_is_due()
    assert found == [MARKED_CAUGHT_BY]
    CAUGHT[MARKED] = ", ".join(found)


async def _try_again_now(notifications: Desk) -> None:
    async with notifications.service.transaction(actor="test") as uow:
        await uow.conn.execute("update messages set not_before = now() where state = 'ready'")
    notifications.clock.move(timedelta(seconds=5))
    await notifications.deliver()


def test_the_table_of_mutants(request: pytest.FixtureRequest) -> None:
    """Printed for a person; every mutant that was to run stands in it, under the invariant that must speak."""
    due = {one.name: one.caught_by for one in MUTANTS} | {MARKED: MARKED_CAUGHT_BY}
    calls = (getattr(item, "callspec", None) for item in request.session.items)
    ran = {call.params["mutant"].name for call in calls if call is not None and "mutant" in call.params}
    print()
    for name, invariants in CAUGHT.items():
        print(f"{name:34} caught by {invariants}")
    assert ran <= CAUGHT.keys()
    assert all(due[name] in invariants for name, invariants in CAUGHT.items())
