"""What one patient's work costs as their number grows: the statements that run all day, at each size, analysed.

Tables are filled in the database itself; `--full` goes to a million patients. That no statement walks a whole table is
held by `tests/service/test_plans.py`.
"""

import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from benchmarks.harness import Figure, Stage, plain
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

TIMES = 300
SUBJECT = "select md5('patient' || $1::integer)::uuid"
Work = Callable[[asyncpg.Connection, UUID], Awaitable[object]]


async def measure(stage: Stage) -> list[Figure]:
    """Milliseconds, the median of many patients at random; the largest size over the smallest."""
    sizes = (10_000, 100_000, 1_000_000) if stage.full else (1_000, 10_000, 50_000)
    found: dict[str, list[float]] = {name: [] for name in WORKS}
    async with stage.world() as world, world.connection() as owner:
        for size in sizes:
            stage.say(f"{size:,} patients")
            await grow(owner, size)
            for name in WORKS:
                found[name].append(await _median(world, name, size))
    told = " · ".join(f"{size:,}" for size in sizes)
    return [
        plain(
            f"{name}: largest over smallest", "×", [costs[-1] / costs[0]], at_most=1.3,
            note=f"{told}: {' · '.join(f'{one:.2f}' for one in costs)} ms",
        )
        for name, costs in found.items()
    ]  # fmt: skip


async def _median(world: World, name: str, size: int) -> float:
    schema, work = WORKS[name]
    rng, took = random.Random(size), list[float]()
    async with world.connection(schema) as conn:
        for _ in range(TIMES):
            subject = await conn.fetchval(SUBJECT, rng.randint(1, size))
            began = time.perf_counter()
            await work(conn, subject)
            took.append((time.perf_counter() - began) * 1_000)
    return sorted(took)[TIMES // 2]


async def _append(conn: asyncpg.Connection, subject: UUID) -> None:
    origin = Origin("intake", datetime.now(UTC), "patient", new_id())
    async with conn.transaction():
        await append(conn, [Pending(updated(subject), origin)])


async def _window(conn: asyncpg.Connection, _subject: UUID) -> None:
    xmin: int = await conn.fetchval("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
    lower = f"{max(3, xmin - 50)}:{max(3, xmin - 50)}:"
    await cursor.window(conn, cursor.Cursor(lower, datetime.now(UTC), None, None, 0, 1), 4_000)


async def _move(conn: asyncpg.Connection, subject: UUID) -> None:
    at: int = await conn.fetchval("select sequence from inbox where (source, subject) = (1, $1)", subject)
    await positions.move(conn, [Run(1, subject, at, at + 1)])


async def _claim(conn: asyncpg.Connection, _subject: UUID) -> None:
    await timers.claim(conn, datetime.now(UTC) - timedelta(days=1), ["answer"], 50)


async def _story(conn: asyncpg.Connection, subject: UUID) -> None:
    await dashboard.patients(conn, {subject})
    await dashboard.story(conn, {subject}, 50)


async def _taken(conn: asyncpg.Connection, subject: UUID) -> None:
    now = datetime.now(UTC)
    await calendar.ledger(conn, ["provider:osei", f"patient:{subject}"], now, now + timedelta(days=7))


WORKS: dict[str, tuple[str, Work]] = {
    "append an event": ("intake", _append),
    "read the relay's window": ("intake", _window),
    "move a position": ("dashboard", _move),
    "look for due timers": ("intake", _claim),
    "a patient's facts and story": ("dashboard", _story),
    "a week of a calendar": ("scheduling", _taken),
}
