"""Real parts for a benchmark: PostgreSQL with its durable defaults, Apache Kafka, migrated databases, services.

The promise: nothing is left running when the stage is closed. The test suite's world is used as it is, on a database
that waits for the disk.
"""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import httpx

from deploy.embedded.broker import Broker
from deploy.embedded.postgres import Postgres
from deploy.embedded.processes import Program, StartFailed, any_free_port
from deploy.embedded.wiring import Value
from tests.support import kafka, postgres
from tests.support.issuer import Issuer
from tests.support.serving import serving
from tests.support.waiting import eventually
from tests.support.world import Infrastructure, World, make_world

ROOT = Path(__file__).parents[2]
ROUNDS = 3
PATIENCE_SECONDS = 240.0


@dataclass(frozen=True, slots=True)
class Process:
    """A service as a process of its own."""

    name: str
    url: str
    program: Program


class Stage:
    """Given to every benchmark. `full` asks for the long version, `scale` overrides how much of everything there is."""

    def __init__(self, *, full: bool, scale: int | None, say: Callable[[str], None]) -> None:
        self.full = full
        self.say = say
        self._scale = scale
        self._closing = AsyncExitStack()
        self._broker: Broker
        self._postgres: Postgres
        self._infrastructure: Infrastructure
        self._issuer: Issuer

    @property
    def rounds(self) -> int:
        """How often each way is measured."""
        return 5 if self.full else ROUNDS

    def size(self, quick: int, full: int) -> int:
        """How many events, patients or timers: what was asked for by argument, else by the kind of run."""
        return self._scale or (full if self.full else quick)

    @property
    def broker(self) -> str:
        """The broker's name, for the heading."""
        return kafka.NAMES[kafka.choose()]

    async def open(self) -> Self:
        """Start database and broker.

        Raises:
            StartFailed: one of them did not come up.
        """
        kind = kafka.choose()
        folder = Path(tempfile.mkdtemp(prefix="passage-bench-"))
        self._closing.callback(shutil.rmtree, folder, ignore_errors=True)
        self._postgres = Postgres(
            folder / "postgres", port=any_free_port(), password=postgres.PASSWORD, log=folder / "postgres.log"
        )
        self._postgres.launch()
        self._closing.callback(self._postgres.stop)
        self._broker = kafka.launch(kind, folder)
        self._closing.callback(self._broker.stop)
        await asyncio.to_thread(self._postgres.wait)
        await asyncio.to_thread(postgres.prepare, self._postgres)
        await asyncio.to_thread(partial(self._broker.wait, seconds=PATIENCE_SECONDS))
        self._infrastructure = Infrastructure(
            folder, self._postgres.dsn(), self._broker.bootstrap, kind, self._broker.idempotent, self._broker.durable
        )
        port = any_free_port()
        self._issuer = Issuer(f"http://127.0.0.1:{port}")
        await self._closing.enter_async_context(serving(self._issuer.app, port))
        return self

    async def close(self) -> None:
        """Stop everything."""
        await self._closing.aclose()

    @asynccontextmanager
    async def world(self) -> AsyncIterator[World]:
        """A migrated, empty database, topics, keys and addresses of one benchmark's own; the topics are there."""
        with tempfile.TemporaryDirectory(prefix="passage-bench-") as folder:
            made = await make_world(self._infrastructure, Path(folder), self._issuer)
            try:
                await made.topics()
                yield made
            finally:
                await made.close()

    @asynccontextmanager
    async def process(self, world: World, name: str, **changes: Value) -> AsyncIterator[Process]:
        """A service as `make up` starts it, ready; `changes` are settings by their names.

        Raises:
            StartFailed: with its last log lines.
        """
        variables = world.wiring.variables(name, **changes)
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("PASSAGE_")}
        program = Program(
            name,
            [sys.executable, "-m", f"services.{name}"],
            log=self._infrastructure.folder / f"{name}.log",
            environment={**inherited, **variables},
            cwd=ROOT,
        )
        port = changes.get("port", world.wiring.ports[name])
        url = f"http://127.0.0.1:{port}"
        try:
            await _until_ready(url, program)
            yield Process(name, url, program)
        finally:
            await asyncio.to_thread(program.stop)


def pss(pid: int) -> float:
    """A process's own share of the memory that it uses, in MB: what several use counts once among them."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1_024


async def _until_ready(url: str, program: Program) -> None:
    async with httpx.AsyncClient(timeout=5) as http:

        async def ready() -> bool:
            if not program.running:
                raise StartFailed(f"{program.name} ended:\n{program.last_lines()}")
            return (await http.get(f"{url}/ready")).status_code == 200

        await eventually(ready, timeout=60, every=0.05, tolerate=(httpx.TransportError,))
