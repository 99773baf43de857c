"""What one patient's work costs as their number grows: the statements that run all day, at each size, analysed.

Each size is a database of its own, filled in itself and measured in turn with the others; `--full` goes to a million
patients. The work is on those in care, the last thousand: the others only make the tables large. That no statement
walks a whole table is held by `tests/service/test_plans.py`.
"""

import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import asyncpg

from benchmarks.harness import Figure, Stage, compared, in_turn
from benchmarks.harness.events import updated
from services.dashboard.repository import read_model as dashboard
from services.scheduling.repository import calendar
from shared import timers
from shared.eventlog import cursor
from shared.eventlog.log import Origin, Pending, append
from shared.ids import new_id
from shared.inbox import positions
from shared.inbox.positions import Run
from tests.support.grown import grow
from tests.support.world import World

IN_CARE = 1_000
TIMES = 300
SUBJECT = "select md5('patient' || $1::integer)::uuid"
Work = Callable[[asyncpg.Connection, UUID], Awaitable[object]]


async def measure(stage: Stage) -> list[Figure]:
    """Milliseconds, the median of many patients at random; the largest size over the smallest."""
    sizes = (10_000, 100_000, 1_000_000) if stage.full else (1_000, 10_000, 50_000)
    figures: list[Figure] = []
    async with AsyncExitStack() as open_:
        worlds = {size: await open_.enter_async_context(stage.world()) for size in sizes}
        for size, world in worlds.items():
            stage.say(f"{size:,} patients")
            async with world.connection() as owner:
                await grow(owner, size)
        for name in WORKS:
            costs = await in_turn(
                stage.rounds, {f"{size:,}": partial(_median, world, name, size) for size, world in worlds.items()}
            )
            small, *_, large = costs.values()
            middle = " · ".join(f"{sorted(each)[len(each) // 2]:.2f} ms at {size}" for size, each in costs.items())
            figures.append(
                compared(name, "ms", large, small, against=f"{sizes[0]:,} patients", at_most=1.3, note=middle)
            )
    return figures


async def _median(world: World, name: str, size: int) -> float:
    schema, work = WORKS[name]
    rng, took = random.Random(size), list[float]()
    async with world.connection(schema) as conn:
        for _ in range(TIMES):
            subject = await conn.fetchval(SUBJECT, rng.randint(size - IN_CARE + 1, size))
            began = time.perf_counter()
            await work(conn, subject)
            took.append((time.perf_counter() - began) * 1_000)
    return sorted(took)[TIMES // 2]


async def _append(conn: asyncpg.Connection, subject: UUID) -> None:
    origin = Origin("intake", datetime.now(UTC), "patient", new_id())
    async with conn.transaction():
        await append(conn, [Pending(updated(subject), origin)])


async def _window(conn: asyncpg.Connection, _subject: UUID) -> None:
    now: str = await conn.fetchval("select pg_current_snapshot()::text")
    await cursor.window(conn, cursor.Cursor(now, datetime.now(UTC), None, None, 0, 1), 4_000)


async def _move(conn: asyncpg.Connection, subject: UUID) -> None:
    at: int = await conn.fetchval("select sequence from inbox where (source, subject) = (1, $1)", subject)
    await positions.move(conn, [Run(1, subject, at, at + 1)])


async def _claim(conn: asyncpg.Connection, _subject: UUID) -> None:
    await timers.claim(conn, datetime.now(UTC) - timedelta(days=1), ["answer"], 50)


async def _story(conn: asyncpg.Connection, subject: UUID) -> None:
    await dashboard.facts_by_patient(conn, {subject})
    await dashboard.story(conn, {subject}, 50)


async def _taken(conn: asyncpg.Connection, subject: UUID) -> None:
    now = datetime.now(UTC)
    await calendar.ledger(conn, ["provider:osei", f"patient:{subject}"], now, now + timedelta(days=7))


WORKS: dict[str, tuple[str, Work]] = {
    "append an event": ("intake", _append),
    "look for what the relay has to publish": ("intake", _window),
    "move a position": ("dashboard", _move),
    "look for due timers": ("intake", _claim),
    "a patient's facts and story": ("dashboard", _story),
    "a week of a calendar": ("scheduling", _taken),
}
