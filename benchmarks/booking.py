"""One provider and one room, 32 connections that book them at overlapping times: how long the slowest has to wait.

Against the same bookings as a plain INSERT under the exclusion constraint, which deadlocks; both roll back what they
could not have. Each connection has booked once before the clock starts. Every attempt ends accepted or in conflict, and
afterwards nothing overlaps.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from benchmarks.harness import Figure, Stage, compared, in_turn, plain
from services.scheduling.domain.appointments import Appointment, State
from services.scheduling.domain.sessions import Need
from services.scheduling.domain.spans import Span
from services.scheduling.repository import calendar
from shared.contracts.scheduling import AppointmentKind
from shared.ids import new_id
from tests.support.world import World

CLIENTS = 32
SLOTS = 40
LENGTH = timedelta(minutes=45)
STEP = timedelta(minutes=15)
FORGET = "truncate bookings, appointments cascade"
PLAIN = """
insert into bookings (resource, during, appointment_id)
select n.resource, tstzrange(n.starts_at, n.ends_at), n.appointment_id
  from unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::uuid[])
       as n (resource, starts_at, ends_at, appointment_id)
"""
OVERLAPS = """
select count(*) from bookings a join bookings b
    on a.resource = b.resource and a.during && b.during and a.appointment_id < b.appointment_id
"""
Needs = Sequence[tuple[UUID, Need]]
Take = Callable[[asyncpg.Connection, Needs], Awaitable[bool]]


async def measure(stage: Stage) -> list[Figure]:
    """Milliseconds of the slowest attempt, and how many ended as deadlocks."""
    attempts = stage.size(1_500, 10_000)
    async with stage.world() as world, world.connection() as owner:
        await owner.execute("set search_path = scheduling, extensions")
        outcomes: dict[str, Counter[str]] = {"ours": Counter(), "plain": Counter()}

        async def run(name: str, take: Take) -> float:
            await owner.execute(FORGET)
            worst = await _run(world, attempts, take, outcomes[name])
            if await owner.fetchval(OVERLAPS):
                raise AssertionError("two bookings overlap")
            return worst * 1_000

        worst = await in_turn(
            stage.rounds, {"ours": lambda: run("ours", _ours), "plain": lambda: run("plain", _plain)}, warm=False
        )
    ours, base = outcomes["ours"], outcomes["plain"]
    told = (
        f"{ours['accepted']:,} accepted, {ours['conflict']:,} in conflict; by plain INSERT {base['deadlock']} deadlocks"
    )
    return [
        plain("contended booking, slowest", "ms", worst["ours"], at_most=100, note=told),
        compared("contended booking, slowest", "ms", worst["ours"], worst["plain"], against="plain INSERT"),
        plain("deadlocks surfaced", "", [float(ours["deadlock"])], at_most=0),
    ]


async def _run(world: World, attempts: int, take: Take, outcomes: Counter[str]) -> float:
    rng = random.Random(20_260_101)
    day = datetime.now(UTC).replace(hour=15, minute=0, second=0, microsecond=0) + timedelta(days=30)
    starts = iter([day + STEP * rng.randrange(SLOTS) + timedelta(days=rng.randrange(30)) for _ in range(attempts)])
    worst = 0.0
    ready = asyncio.Barrier(CLIENTS)

    async def client(number: int) -> None:
        nonlocal worst
        conn = await asyncpg.connect(world.dsn("scheduling"))
        try:
            # A service's connections are there before the patients: each has booked once, on a day of its own.
            await _attempt(conn, _appointment(day - timedelta(days=1 + number)), take)
            await ready.wait()
            for at in starts:
                began = time.perf_counter()
                outcomes[await _attempt(conn, _appointment(at), take)] += 1
                worst = max(worst, time.perf_counter() - began)
        finally:
            await conn.close()

    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    return worst


async def _attempt(conn: asyncpg.Connection, wanted: Appointment, take: Take) -> str:
    span = Span(wanted.starts_at, wanted.ends_at)
    needs = [(wanted.id, Need(name, span)) for name in ("provider:osei", "room:room-1", f"patient:{wanted.patient_id}")]
    try:
        async with conn.transaction():
            if not await take(conn, needs):
                raise _Conflict
            await calendar.add(conn, [wanted])
    except _Conflict:
        return "conflict"
    except asyncpg.ExclusionViolationError:
        return "conflict"
    except asyncpg.DeadlockDetectedError:
        return "deadlock"
    return "accepted"


class _Conflict(Exception):
    """Somebody was faster."""


async def _ours(conn: asyncpg.Connection, needs: Needs) -> bool:
    return not await calendar.book(conn, needs)


async def _plain(conn: asyncpg.Connection, needs: Needs) -> bool:
    await conn.execute(
        PLAIN,
        [need.resource for _, need in needs],
        [need.span.start for _, need in needs],
        [need.span.end for _, need in needs],
        [appointment for appointment, _ in needs],
    )
    return True


def _appointment(starts_at: datetime) -> Appointment:
    return Appointment(
        id=new_id(), patient_id=new_id(), kind=AppointmentKind.CONSULTATION, state=State.BOOKED, starts_at=starts_at,
        ends_at=starts_at + LENGTH, zone="America/Denver", provider_id="osei", room_id="room-1", monitor_id=None,
        mode="in_person", booked_by="staff", revision=0, policy_hash="bench",
    )  # fmt: skip
