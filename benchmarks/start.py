"""`make up` on a machine whose packages are cached: from the command to every part answering that it is ready.

A fresh folder, as after `make reset`: the cluster is made, migrated and seeded. Then the same folder again.
"""

import asyncio
import signal
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness import Figure, Stage, plain
from tests.support.stack import Terminal
from tests.support.waiting import eventually


async def measure(stage: Stage) -> list[Figure]:
    """Seconds."""
    fresh: list[float] = []
    again: list[float] = []
    for _ in range(stage.rounds if stage.full else 1):
        with TemporaryDirectory(prefix="passage-bench-") as folder:
            state = Path(folder) / "state"
            fresh.append(await _up(state))
            again.append(await _up(state))
    return [
        plain("make up, from nothing", "s", fresh, at_most=15),
        plain("make up, again", "s", again, at_most=15),
    ]


async def _up(state: Path) -> float:
    began = time.perf_counter()
    terminal = Terminal(state)
    try:
        await eventually(terminal.facts, timeout=180)
        return time.perf_counter() - began
    finally:
        terminal.send(signal.SIGTERM)
        await asyncio.to_thread(terminal.end)
