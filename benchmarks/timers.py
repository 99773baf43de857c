"""Timers that are all due at once: claimed, handled, their events written and committed; against writing outbox rows.

The base appends the same number of events with the kernel's own statement, a thousand a transaction, from arrays that
are ready: no timer, no handler, no unit of work.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from benchmarks.harness import Figure, Stage, compared, in_turn, plain, quantile
from benchmarks.harness.events import PER_TRANSACTION, updated
from benchmarks.harness.published import kernel_service
from shared.eventlog.log import APPEND, partition_of
from shared.ids import new_id
from shared.timers import Timer, Timers
from shared.uow import UnitOfWork
from tests.support.world import World

KIND = "bench"
DUE = """
insert into timers (kind, subject, occurrence, due_at)
select $1, s.subject, 'once', s.due_at from unnest($2::uuid[], $3::timestamptz[]) as s (subject, due_at)
"""
FORGET = "truncate timers, event_log, streams"
AHEAD = timedelta(seconds=2)
LONE = 40


async def measure(stage: Stage) -> list[Figure]:
    """Fires a second with everything due; how late single ones are."""
    count = stage.size(20_000, 100_000)
    async with stage.world() as world, world.connection() as owner, world.connection("intake") as conn:
        await owner.execute("set search_path = intake")
        subjects = [new_id() for _ in range(count)]

        async def fire() -> float:
            await owner.execute(FORGET)
            late = await _fire(world, conn, subjects, [datetime.now(UTC)] * count)
            return count / max(late)

        async def write() -> float:
            await owner.execute(FORGET)
            return await _write(conn, subjects)

        rates = await in_turn(stage.rounds, {"fire": fire, "write": write})
        await owner.execute(FORGET)
        begin = datetime.now(UTC) + AHEAD
        lone = await _fire(
            world, conn, subjects[:LONE], [begin + timedelta(seconds=0.137 * number) for number in range(LONE)]
        )
    return [
        compared("timer fires", "fires/s", rates["fire"], rates["write"], against="outbox rows by unnest",
                 at_least=0.35, note=f"{count:,} due at once, so the last is as late as all of them take"),
        plain("lateness of lone timers, p99", "ms", [quantile(lone, 0.99) * 1_000], note="one every 137 ms"),
        plain("lateness of lone timers, p50", "ms", [quantile(lone, 0.5) * 1_000]),
    ]  # fmt: skip


async def _fire(world: World, conn: asyncpg.Connection, subjects: list[UUID], due: list[datetime]) -> list[float]:
    """Seconds from each timer's due time, or from the start of the service where that is later, until it fired."""
    await conn.execute(DUE, KIND, subjects, due)
    timers, late, done = Timers(), list[float](), asyncio.Event()

    @timers(KIND)
    async def fired(uow: UnitOfWork, timer: Timer) -> None:
        uow.publish(updated(timer.subject))
        late.append(time.time() - max(timer.due_at.timestamp(), began))
        if len(late) == len(subjects):
            done.set()

    began = time.time()
    async with kernel_service(world, "intake", timers=timers):
        began = time.time()
        await done.wait()
    return late


async def _write(conn: asyncpg.Connection, subjects: list[UUID]) -> float:
    count = len(subjects)
    now, journey, body = datetime.now(UTC), new_id(), updated(subjects[0]).model_dump_json()
    partitions = [partition_of(subject) for subject in subjects]
    began = time.perf_counter()
    for start in range(0, count, PER_TRANSACTION):
        some = subjects[start : start + PER_TRANSACTION]
        size = len(some)
        await conn.execute(
            APPEND, [new_id() for _ in some], some, partitions[start : start + PER_TRANSACTION],
            ["passage.intake.LeadUpdated.v1"] * size, [body] * size, [now] * size, ["patient"] * size,
            [journey] * size, [None] * size, [None] * size,
        )  # fmt: skip
    return count / (time.perf_counter() - began)
