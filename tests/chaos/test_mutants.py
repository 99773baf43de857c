"""The checker is checked: each broken promise is seen by the same invariants that judge a whole run, and the same
workload leaves nothing to see when the promise is kept.
"""

from datetime import timedelta
from pathlib import Path
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


def spoke(facts: Facts) -> list[str]:
    """The invariants that found something."""
    return [name for name, finding in judge(facts).items() if finding.violations]


@pytest.mark.parametrize("mutated", [False, True], ids=["kept", "broken"])
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name)
async def test_a_mutant_is_caught(mutant: Mutant, mutated: bool, fresh_world: World, monkeypatch: Any) -> None:
    scene = Scene(fresh_world, monkeypatch, mutated=mutated)
    await scene.open(broker=mutant.broker)
    try:
        if mutated:
            await mutant.mutate(scene)
        found = spoke(await mutant.run(scene))
    finally:
        await scene.close()
    if mutated:
        assert mutant.caught_by in found
        CAUGHT[mutant.name] = ", ".join(found)
    else:
        assert found == []


@pytest.mark.parametrize("mutated", [False, True], ids=["kept", "broken"])
async def test_marking_before_sending_is_caught(
    fresh_world: World, tmp_path: Path, monkeypatch: Any, mutated: bool
) -> None:
    """The carrier is away when a text is due, and comes back."""
    hand_over = jobs._hand_over

    async def marks_first(service: Any, way: Any, job: Any) -> None:
        async with service.transaction(actor=jobs.ACTOR) as uow:
            await delivery.note(uow, job.out.id, State.SENT)
        await hand_over(service, way, job)

    if mutated:
        monkeypatch.setattr(jobs, "_hand_over", marks_first)
    async with desk(fresh_world) as notifications:
        await notifications.outside.break_(sms="down")
        await notifications.lead(email=None, consents=(ConsentKind.SMS,))
        await notifications.deliver()
        await notifications.outside.break_()
        await _try_again_now(notifications)
        facts = Facts()
        async with fresh_world.connection() as conn:
            await messages_into(conn, facts, notifications.outside.settings.state_file, fresh_world.clinic_file)
    found = spoke(facts)
    assert found == (["8 reminders once, by day"] if mutated else [])
    if mutated:
        CAUGHT["mark before send"] = ", ".join(found)


async def _try_again_now(notifications: Desk) -> None:
    async with notifications.service.transaction(actor="test") as uow:
        await uow.conn.execute("update messages set not_before = now() where state = 'ready'")
    notifications.clock.move(timedelta(seconds=5))
    await notifications.deliver()


def test_the_table_of_mutants() -> None:
    """Printed for a person; every mutant that ran stands in it."""
    if not CAUGHT:
        pytest.skip("no mutant ran")
    for name, invariants in CAUGHT.items():
        print(f"{name:34} caught by {invariants}")
    assert CAUGHT.keys() <= {"mark before send", *(mutant.name for mutant in MUTANTS)}
