"""A consumer killed where it hurts most: with its transaction open, and between its commit and its offset's.

A lock on a table that it needs there holds it in the place, so that it is killed there and nowhere else. Where it meets
the lock in another place, as when it parks what came too early, it is let go and held again.
"""

import random
from typing import ClassVar

import asyncpg

from shared.db.migrate import fill
from shared.inbox.positions import NAME
from tests.chaos.arena import Arena
from tests.chaos.collect import offsets
from tests.chaos.facts import EventKey
from tests.chaos.faults import Fault
from tests.support.waiting import eventually

VICTIMS = ("assessment", "scheduling", "notifications", "dashboard")
NO_POSITION_MOVES = "lock table {consumer}.inbox in share mode"
NOTHING_IS_RELEASED = "lock table {consumer}.parked in access exclusive mode"
WAITS = """
select exists (select from pg_stat_activity
                where application_name = $1 and wait_event_type = 'Lock' and query ~ 'insert into inbox')
"""
LAST_MOVE = "select coalesce(max(n), 0) from chaos.moves"
# A subject whose first event is parked gets a position of 0 that nothing has moved.
MOVED = "select source, subject, sequence from chaos.moves where consumer = $1 and n > $2 and sequence > prior"
HOLD_SECONDS = 5.0
HOLDS = 8


class KilledInPlace(Fault):
    """See the module."""

    hold: ClassVar[str]

    def __init__(self, random_: random.Random) -> None:
        super().__init__(random_)
        self.victim = random_.choice(VICTIMS)

    @property
    def what(self) -> str:
        return f"kill -9 {self.victim} {self.name.removeprefix('kill -9 ')}"

    async def inject(self, arena: Arena) -> None:
        conn = await arena.connect()
        try:
            for left in reversed(range(HOLDS)):
                async with conn.transaction():
                    await conn.execute(fill(self.hold, consumer=self.victim))
                    try:
                        await self.reached(arena, conn, HOLD_SECONDS)
                    except AssertionError:
                        if not left:
                            raise
                        continue
                    arena.kill_now(self.victim)
                    return
        finally:
            conn.terminate()

    async def reached(self, arena: Arena, conn: asyncpg.Connection, seconds: float) -> None:
        """Until the victim stands where it is to die; fails where it doesn't get there in time."""
        raise NotImplementedError


class KillInBatch(KilledInPlace):
    """kill -9 of a consumer whose transaction with a batch is open."""

    name = "kill -9 in mid-batch"
    hold = NO_POSITION_MOVES

    async def reached(self, arena: Arena, conn: asyncpg.Connection, seconds: float) -> None:
        async def waits() -> bool:  # by another connection: within a transaction activity is looked up once
            return bool((await arena.fetch(WAITS, self.victim))[0][0])

        await eventually(waits, timeout=seconds, every=0.01)


class KillBeforeOffset(KilledInPlace):
    """kill -9 of a consumer that has committed its effects and not yet the offset of what caused them."""

    name = "kill -9 between its commit and its offset's"
    hold = NOTHING_IS_RELEASED

    def __init__(self, random_: random.Random) -> None:
        super().__init__(random_)
        self._moved: set[EventKey] = set()
        self._repeated: set[EventKey] = set()

    @property
    def told(self) -> str:
        return f"{len(self._repeated)} of {len(self._moved)} applied events were to come again"

    async def inject(self, arena: Arena) -> None:
        await super().inject(arena)
        stands = await offsets(arena.kafka_address)
        await eventually(lambda: self._moved <= {record.key for record in arena.tap.records}, timeout=30)
        for record in arena.tap.records:
            at = stands.get((self.victim, record.topic, record.partition), 0)
            if record.epoch == arena.tap.epoch and record.key in self._moved and record.offset >= at:
                self._repeated.add(record.key)
        assert self._repeated, f"{self.victim} had committed its offsets"

    async def reached(self, arena: Arena, conn: asyncpg.Connection, seconds: float) -> None:
        last = await conn.fetchval(LAST_MOVE)

        async def committed() -> bool:
            for row in await conn.fetch(MOVED, self.victim, last):
                self._moved.add((NAME[row["source"]], str(row["subject"]), row["sequence"]))
            return bool(self._moved)

        await eventually(committed, timeout=seconds, every=0.005)
