"""What all services cost while nothing happens: memory that is theirs, and a core's share.

Proportional set size, so that shared pages count once; processor time of the services and the sandbox over some
seconds, first against Apache Kafka, then in the stack of `make up`, whose broker answers polls.
"""

import asyncio
import os
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness import Figure, Stage, plain
from benchmarks.harness.stage import pss
from deploy.embedded.stack import Stack
from deploy.embedded.wiring import PROCESSES
from shared.db.migrate import SERVICES

TICKS = os.sysconf("SC_CLK_TCK")
SETTLE_SECONDS = 5.0


async def measure(stage: Stage) -> list[Figure]:
    """Megabytes, and percent of one core."""
    seconds = 60.0 if stage.full else 15.0
    async with stage.world() as world, AsyncExitStack() as running:
        stage.say("six services against Apache Kafka")
        pids = [
            (await running.enter_async_context(stage.process(world, name, kafka_fetch_wait_ms=500))).program.pid
            for name in SERVICES
        ]
        kafka_share = await _share(pids, seconds)
        memory = sum(pss(pid) for pid in pids)
    stage.say("the stack of make up")
    with TemporaryDirectory(prefix="passage-bench-") as folder:
        stack = Stack(Path(folder) / "state", ports="any")
        await stack.start()
        try:
            services, broker = _pids(stack, PROCESSES), _pids(stack, ("broker",))
            embedded_share, broker_share = await asyncio.gather(_share(services, seconds), _share(broker, seconds))
            embedded_memory = sum(pss(pid) for pid in services)
        finally:
            await stack.stop()
    return [
        plain("memory of six services, PSS", "MB", [memory], at_most=900),
        plain("core while idle, Apache Kafka", "%", [kafka_share], at_most=5),
        plain("core while idle, make up, with its broker", "%", [embedded_share + broker_share], at_most=20,
              note=f"of which the broker {broker_share:.1f}%"),
        plain("memory in make up, with the sandbox", "MB", [embedded_memory], at_most=900),
    ]  # fmt: skip


def _pids(stack: Stack, names: Iterable[str]) -> list[int]:
    return [stack.members[name].program.pid for name in names]


async def _share(pids: list[int], seconds: float) -> float:
    await asyncio.sleep(SETTLE_SECONDS)
    before, began = sum(map(_ticks, pids)), time.monotonic()
    await asyncio.sleep(seconds)
    return 100 * (sum(map(_ticks, pids)) - before) / TICKS / (time.monotonic() - began)


def _ticks(pid: int) -> int:
    """Processor time of a process and of the children that it waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15]))
