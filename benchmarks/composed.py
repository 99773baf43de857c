"""All of `docker compose up` while nothing happens: memory as the engine counts it against each container's limit.

Kafka, PostgreSQL, six services, Caddy, Prometheus and, since it is a try-out, the sandbox; after a minute of rest, in a
project of its own that is thrown away. Without a container engine there is no figure.
"""

import asyncio
import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness import Figure, Stage, plain
from tests.support.composed import Composed, why_not

REST_SECONDS = 60.0
UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


async def measure(stage: Stage) -> list[Figure]:
    """Megabytes (2²⁰ bytes), and percent of one core."""
    if reason := why_not():
        stage.say(f"skipped: {reason}")
        return []
    with TemporaryDirectory(prefix="passage-bench-") as folder:
        stack = Composed.prepare(Path(folder))
        try:
            await asyncio.to_thread(_up, stack)
            stage.say("it is ready, and rests for a minute")
            await asyncio.sleep(REST_SECONDS)
            looks = [await asyncio.to_thread(_look, stack) for _ in range(stage.rounds)]
        finally:
            await asyncio.to_thread(stack.down)
    memory = [sum(one["memory"] for one in look.values()) for look in looks]
    share = [sum(one["share"] for one in look.values()) for look in looks]
    largest = sorted(looks[-1].items(), key=lambda one: -one[1]["memory"])
    told = ", ".join(f"{name} {one['memory']:.0f}" for name, one in largest)
    return [
        plain("memory of all containers", "MB", memory, at_most=1_536, note=told),
        plain("core of all containers", "%", share),
    ]


def _up(stack: Composed) -> None:
    stack.compose("build", seconds=900)
    stack.up()


def _look(stack: Composed) -> dict[str, dict[str, float]]:
    """Service → `memory` in megabytes, `share` of a core in percent over the engine's own second or two."""
    names = dict(line.split() for line in stack.compose("ps", "--format", "{{.ID}} {{.Service}}").splitlines())
    found = {}
    for line in stack.run("docker", "stats", "--no-stream", "--format", "{{json .}}", *names).splitlines():
        told = json.loads(line)
        amount = re.fullmatch(r"([0-9.]+)([KMG]?i?B)", told["MemUsage"].split(" / ")[0])
        assert amount, told
        found[names[told["ID"][:12]]] = {
            "memory": float(amount[1]) * UNITS[amount[2]] / UNITS["MiB"],
            "share": float(told["CPUPerc"].rstrip("%")),
        }
    return found
