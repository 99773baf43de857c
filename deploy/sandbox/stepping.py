"""Moving the stack's business clock forward, from due time to due time, so that nothing is skipped.

The promise: every timer that is due on the way fires at its own moment, and what it causes happens before time goes on.
Exists in development only: the database has no such role and table elsewhere.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

import asyncpg
import structlog

from shared.clock import CHANNEL, MovableClock

log = structlog.get_logger()

_TIMERS = """
select 'intake' as service, kind, subject, occurrence, due_at from intake.timers where attempts = 0
union all
select 'assessment', kind, subject, occurrence, due_at from assessment.timers where attempts = 0
union all
select 'scheduling', kind, subject, occurrence, due_at from scheduling.timers where attempts = 0
union all
select 'notifications', kind, subject, occurrence, due_at from notifications.timers where attempts = 0
"""
_UP_TO = f"select * from ({_TIMERS}) as t where due_at <= $1 order by due_at"  # noqa: S608 — two constants
_NEXT = f"select min(due_at) from ({_TIMERS}) as t where due_at > $1"  # noqa: S608
_MOVE = "update clock.state set offset_seconds = $1"
_WAKE = f"notify {CHANNEL}"

_PATIENCE_SECONDS = 20.0
_LOOK_SECONDS = 0.05

Key = tuple[str, str, object, str]


class NotForward(ValueError):
    """Time only goes on."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Where the clock stands now, how many stops it made, and which timers did not fire ("scheduling/hold")."""

    now: datetime
    steps: int
    stuck: tuple[str, ...]


class Stepping:
    """The clock control. One move at a time."""

    def __init__(
        self, dsn: str, clock: MovableClock, happened: Callable[[], int], *, settle_seconds: float = 0.8
    ) -> None:
        """`happened` counts what has reached the outside world; while it grows, time stands.

        What a timer caused has been sent when nothing happened for `settle_seconds`: longer than the services' polls.
        """
        self._dsn = dsn
        self._clock = clock
        self._happened = happened
        self._settle_seconds = settle_seconds
        self._one = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._pool = await asyncpg.create_pool(self._dsn, min_size=0, max_size=3)
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._pool.close()

    @property
    def moving(self) -> bool:
        """Whether a move is under way."""
        return self._one.locked()

    async def next_due(self) -> datetime | None:
        """When the next timer is due, later than now; None when none is set."""
        due: datetime | None = await self._pool.fetchval(_NEXT, self._clock.now())
        return due

    async def refresh(self) -> bool:
        """Take over the stack's offset."""
        async with self._pool.acquire() as conn:
            return await self._clock.refresh(conn)

    async def forward(self, target: datetime) -> Moved:
        """Go to `target`, stopping at every due time before it.

        Raises:
            NotForward: `target` has passed.
        """
        async with self._one:
            await self.refresh()
            if target < self._clock.now():
                raise NotForward(f"{target.isoformat()} has passed: the clock only goes forward")
            stuck: set[Key] = set()
            steps = 0
            await self._until_fired(stuck)
            while (due := await self.next_due()) is not None and due <= target:
                await self._set(due)
                await self._until_fired(stuck)
                steps += 1
            if target > self._clock.now():
                await self._set(target)
                await self._until_fired(stuck)
            log.info("sandbox.clock_moved", steps=steps, stuck=len(stuck))
            return Moved(self._clock.now(), steps, tuple(sorted({f"{key[0]}/{key[1]}" for key in stuck})))

    async def _set(self, moment: datetime) -> None:
        offset = moment - datetime.now(UTC)
        async with self._pool.acquire() as conn, conn.transaction():
            await conn.execute(_MOVE, offset.total_seconds())
            await conn.execute(_WAKE)
        await self.refresh()

    async def _until_fired(self, stuck: set[Key]) -> None:
        """Wait for the timers that are due and what follows from them; what takes too long is added to `stuck`."""
        patience = time.monotonic() + _PATIENCE_SECONDS
        seen, quiet_since = self._happened(), time.monotonic()
        while True:
            due = {_key(row) for row in await self._pool.fetch(_UP_TO, self._clock.now())} - stuck
            now = time.monotonic()
            if due and now > patience:
                stuck |= due
            if due or self._happened() != seen:
                seen, quiet_since = self._happened(), now
            elif now - quiet_since >= self._settle_seconds:
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def by(self, seconds: float) -> Moved:
        """Go forward by so many seconds."""
        await self.refresh()
        return await self.forward(self._clock.now() + timedelta(seconds=seconds))

    async def to_next(self) -> Moved:
        """Go to the next due time; nothing happens where none is set."""
        await self.refresh()
        due = await self.next_due()
        return Moved(self._clock.now(), 0, ()) if due is None else await self.forward(due)


def _key(row: asyncpg.Record) -> Key:
    return (row["service"], row["kind"], row["subject"], row["occurrence"])
