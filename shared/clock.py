"""Business time: what due dates, ages and expiries are counted in. Technical time is always the machine's own.

The promise: outside development and tests business time is real time, and nothing can move it.
"""

from datetime import UTC, datetime, timedelta
from typing import Protocol

import asyncpg

CHANNEL = "clock"
"""What PostgreSQL notifies when somebody moved the clock."""

_MOVABLE_IN = ("development", "test")
_OFFSET = "select offset_seconds from clock.state"


class Clock(Protocol):
    """Whatever says what time it is."""

    def now(self) -> datetime:
        """Business time, aware, in UTC."""
        ...


class NotMovable(RuntimeError):
    """Business time was to be moved where it must be real."""


class RealClock:
    """Business time is the machine's time."""

    def now(self) -> datetime:
        """The machine's time in UTC."""
        return datetime.now(UTC)


class MovableClock:
    """Real time plus an offset that all processes of a development stack read from `clock.state`.

    Raises:
        NotMovable: made outside development and tests.
    """

    def __init__(self, environment: str) -> None:
        _refuse_outside_development(environment)
        self.offset = timedelta()

    def now(self) -> datetime:
        """The machine's time plus the offset, in UTC."""
        return datetime.now(UTC) + self.offset

    async def refresh(self, conn: asyncpg.Connection) -> bool:
        """Take over the stack's offset; whether it changed. Call it at start, when CHANNEL is notified, and by poll."""
        seconds = await conn.fetchval(_OFFSET)
        offset = timedelta(seconds=float(seconds or 0))
        changed = offset != self.offset
        self.offset = offset
        return changed


class FixedClock:
    """A test's clock: it stands still until it is moved.

    Raises:
        NotMovable: made outside development and tests.
    """

    def __init__(self, at: datetime, environment: str = "test") -> None:
        _refuse_outside_development(environment)
        self._at = at.astimezone(UTC)

    def now(self) -> datetime:
        """The moment it stands at, in UTC."""
        return self._at

    def move(self, by: timedelta) -> None:
        """Let time pass."""
        self._at += by


def clock_for(environment: str) -> RealClock | MovableClock:
    """The clock of a process: movable in development and tests, real everywhere else."""
    return MovableClock(environment) if environment in _MOVABLE_IN else RealClock()


def _refuse_outside_development(environment: str) -> None:
    if environment not in _MOVABLE_IN:
        raise NotMovable(f"the clock can be moved in {' and '.join(_MOVABLE_IN)} only, not in {environment}")
