"""How much the image adds to the Python image that it stands on: environment, code, front-end packages.

The image is built first, as `docker compose build` does. Without a container engine there is no figure.
"""

import asyncio
import subprocess

from benchmarks.harness import Figure, Stage, plain
from tests.support.composed import ROOT, why_not

BASE = "python:3.11-slim-bookworm"
OURS = "passage:bench"


async def measure(stage: Stage) -> list[Figure]:
    """Megabytes (10⁶ bytes), uncompressed."""
    if reason := why_not():
        stage.say(f"skipped: {reason}")
        return []
    return await asyncio.to_thread(_measured)


def _measured() -> list[Figure]:
    _docker("build", "--quiet", "--tag", OURS, ".")
    layers = [int(line) for line in _docker("history", "--human=false", "--format", "{{.Size}}", OURS).split()]
    base = len(_docker("history", "--quiet", BASE).split())
    own = layers[: len(layers) - base]
    return [
        plain("layers above the base image", "MB", [sum(own) / 1e6], at_most=200,
              note=f"the three largest: {', '.join(f'{size / 1e6:.0f}' for size in sorted(own)[:-4:-1])} MB"),
    ]  # fmt: skip


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout
