"""What must happen at a moment of business time.

The promise: a timer fires once, never early; firing is state change, events and delete in one transaction. One that
fails waits longer each time and stays visible; it is never dropped. No order is promised between timers.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from shared.uow import UnitOfWork

SET = """
insert into timers (kind, subject, occurrence, due_at, data) values ($1, $2, $3, $4, $5::text::jsonb)
on conflict (kind, subject, occurrence)
do update set due_at = excluded.due_at, data = excluded.data, attempts = 0, not_before = null, error = null
"""
CANCEL = """
delete from timers
 where subject = $1 and ($2::text is null or kind = $2) and ($3::text is null or occurrence = $3)
"""
# A claim lasts as long as its transaction: a fired timer is deleted in it, a failed one is put off in another.
CLAIM = """
delete from timers where (kind, subject, occurrence) in (
    select kind, subject, occurrence from timers
     where due_at <= $1 and kind = any($2) and (not_before is null or not_before <= now())
     order by due_at limit $3 for update skip locked)
returning kind, subject, occurrence, due_at, data::text as data
"""
# Two to the number of tries is more than an interval holds after half a day of trying.
PUT_OFF = """
update timers set attempts = attempts + 1, error = $4,
       not_before = now() + least(interval '1 second' * power(2, least(attempts, 10)), interval '10 minutes')
 where kind = $1 and subject = $2 and occurrence = $3
"""
NEXT_DUE = "select min(due_at) from timers where kind = any($1) and due_at > coalesce($2, '-infinity'::timestamptz)"


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer that is due. `occurrence` tells it from others of its kind and subject."""

    kind: str
    subject: UUID
    occurrence: str
    due_at: datetime
    data: dict[str, Any]


Handler = Callable[[UnitOfWork, Timer], Awaitable[None]]


class Timers:
    """One per service. `@timers("approval-expiry")` above a function of (uow, timer)."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}

    def __call__(self, kind: str) -> Callable[[Handler], Handler]:
        """Have this function called when a timer of `kind` is due."""

        def register(handler: Handler) -> Handler:
            if kind in self.handlers:
                raise ValueError(f"timer {kind} has a handler already")
            self.handlers[kind] = handler
            return handler

        return register


async def set_timer(
    uow: UnitOfWork,
    *,
    kind: str,
    subject: UUID,
    occurrence: str,
    due_at: datetime,
    data: dict[str, Any] | None = None,
) -> None:
    """Set a timer, or move it if it stands already."""
    await uow.conn.execute(SET, kind, subject, occurrence, due_at, json.dumps(data or {}))


async def cancel_timers(
    uow: UnitOfWork, *, subject: UUID, kind: str | None = None, occurrence: str | None = None
) -> int:
    """Take back a subject's timers; returns how many there were."""
    done: str = await uow.conn.execute(CANCEL, subject, kind, occurrence)
    return int(done.split()[1])


async def claim(conn: asyncpg.Connection, now: datetime, kinds: list[str], limit: int) -> list[Timer]:
    """Take due timers out of the table, for this transaction."""
    rows = await conn.fetch(CLAIM, now, kinds, limit)
    return [
        Timer(row["kind"], row["subject"], row["occurrence"], row["due_at"], json.loads(row["data"])) for row in rows
    ]


async def put_off(conn: asyncpg.Connection, timer: Timer, error: str) -> None:
    """It failed: later, and longer each time."""
    await conn.execute(PUT_OFF, timer.kind, timer.subject, timer.occurrence, error)


async def next_due(conn: asyncpg.Connection, kinds: list[str], *, after: datetime | None = None) -> datetime | None:
    """The earliest moment for which any timer stands; of those `after` a moment, where it is given."""
    due: datetime | None = await conn.fetchval(NEXT_DUE, kinds, after)
    return due
