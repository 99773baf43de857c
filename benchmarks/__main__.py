"""`python -m benchmarks [name …] [--full] [--scale N]`: measure, tell, write `.passage/bench.json`.

A benchmark is a module beside this one with `async def measure(stage: Stage) -> Sequence[Figure]`; its docstring says
what is measured against what. Exit code 1 when one of them broke; a missed target is told, not an error.
"""

import argparse
import asyncio
import gc
import importlib
import logging
import pkgutil
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import structlog
import uvloop
from rich.console import Console

import benchmarks
from benchmarks.harness import Figure, Stage, report
from shared.http.server import YOUNG
from tests.support.headline import DATABASE

STATE = Path(".passage")
database = f"{DATABASE}, durable"


def main() -> int:
    """Run what was named, or everything."""
    known = sorted(
        module.name
        for module in pkgutil.iter_modules(benchmarks.__path__)
        if not module.ispkg and not module.name.startswith("_")
    )
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=benchmarks.__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"which: {', '.join(known)}; all where none is named")
    parser.add_argument("--full", action="store_true", help="more of everything and more rounds")
    parser.add_argument("--scale", type=int, help="how many events, patients or timers, where a benchmark has a size")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(known):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    logging.disable(logging.WARNING)
    gc.set_threshold(YOUNG, 20, 50)  # as services do
    return uvloop.run(_run(asked.names or known, full=asked.full, scale=asked.scale))


async def _run(names: Sequence[str], *, full: bool, scale: int | None) -> int:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    stage = Stage(full=full, scale=scale, say=lambda text: console.print(f"  [dim]{text}[/]"))
    heading = f"broker: {stage.broker}; database: {database}"
    console.print(heading)
    rows: dict[str, Sequence[Figure]] = {}
    broken: list[str] = []
    try:
        await stage.open()
        for name in names:
            began = time.monotonic()
            console.print(f"{name} …")
            module = importlib.import_module(f"benchmarks.{name}")
            try:
                rows[name] = await module.measure(stage)
            except Exception:  # noqa: BLE001 - the others are still worth their time
                broken.append(name)
                console.print(traceback.format_exc(), style="red", markup=False)
            console.print(f"  [dim]{time.monotonic() - began:.0f} s[/]")
    finally:
        await asyncio.shield(stage.close())
    console.print(report.table(heading, rows))
    report.notes(console, rows)
    report.write(STATE / "bench.json", stage.broker, database, rows)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
