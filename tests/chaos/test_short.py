"""A short run: every service killed, relays, records, carriers, database and broker broken while clients work; then all
twelve invariants, by id. `make chaos` is the long one.
"""

import random
from pathlib import Path

import pytest

from tests.chaos.arena import CONSUMERS
from tests.chaos.campaign import Campaign

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]


async def test_nothing_is_lost_and_nothing_twice(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    run = await Campaign(tmp_path, seed=seed).run()
    report = (tmp_path / "report.md").read_text()
    assert not run.broken, f"seed {seed}\n{report}"
    assert not run.failed, f"seed {seed}\n{report}"
    # The supervisor saw each of them die: nothing was broken on paper only.
    assert {name for name in CONSUMERS if any(told.startswith(f"{name} ended") for told in run.troubles)} == set(
        CONSUMERS
    )
    assert len(run.facts.log) > 100, report
