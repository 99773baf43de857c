"""The day of a disaster: all schemas from one backup, into another cluster, with an emptied broker."""

import asyncio
import math
import os
import subprocess
import time

from deploy.embedded.postgres import OWNER
from tests.chaos.arena import CONSUMERS, REPLICA, Arena
from tests.chaos.faults import Fault, broker_answers

EVERYBODY = (*CONSUMERS, REPLICA, "identity")


class Restored(Fault):
    """Everything is stopped, dumped, and restored where transaction ids begin again; an operator follows the manual."""

    name = "dump restored into another cluster"
    needs_memory = True
    quick = False

    async def inject(self, arena: Arena) -> None:
        for name in EVERYBODY:
            arena.members[name].again_at = math.inf
        await asyncio.gather(*(asyncio.to_thread(arena.members[name].program.stop) for name in EVERYBODY))
        dump = arena.state / "dump.sql"
        await self._client(arena, "pg_dumpall", "--file", str(dump))
        await self._another_cluster(arena)
        # The owner is there already: the only statement that may fail.
        await self._client(arena, "psql", "--quiet", "--output", os.devnull, "--file", str(dump), "postgres")

    async def heal(self, arena: Arena) -> None:
        await arena.forget_topics()
        await broker_answers(arena)
        await arena.command("topics")
        await arena.command("relay", "restored")
        for name in EVERYBODY:
            arena.members[name].again_at = time.monotonic()
        await arena.tap.start()
        await arena.ready(*CONSUMERS, REPLICA)

    async def _another_cluster(self, arena: Arena) -> None:
        postgres, member = arena.postgres, arena.members["postgres"]
        assert postgres is not None
        member.again_at = math.inf
        await asyncio.to_thread(postgres.stop)
        postgres.data.rename(postgres.data.with_name("before-the-disaster"))
        postgres.launch()
        await asyncio.to_thread(postgres.wait)
        member.program, member.again_at = postgres.program, None

    async def _client(self, arena: Arena, *command: str) -> None:
        postgres = arena.postgres
        assert postgres is not None
        where = ["--host", str(postgres.socket_folder), "--port", str(postgres.port), "--username", OWNER]
        done = await asyncio.to_thread(
            subprocess.run, [*postgres.command(command[0]), *where, *command[1:]],
            env={**os.environ, "PGPASSWORD": postgres.password}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
