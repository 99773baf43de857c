"""The dashboard's read model, dropped and rebuilt from the logs through Kafka, and compared with what it was before.

The time is from the moment its consumer starts on a full broker to the last event applied; with `--scale 1000000` it is
the target's own million.
"""

import asyncio
import time
from typing import Any

from benchmarks.harness import Figure, Stage, plain
from benchmarks.harness.events import EVENTS_PER_PATIENT, fill, story
from benchmarks.harness.published import from_the_start, published
from shared.contracts.base import Event, Source
from shared.ids import new_id
from shared.security.keyring import Keyring
from tests.support.world import World

PATIENTS_AT_ONCE = 1_000
TARGET_EVENTS = 1_000_000
TARGET_SECONDS = 60.0
TAKEN = "select coalesce(sum(sequence), 0) from inbox"
DIGEST = """
select (select md5(string_agg(md5(f::text), '' order by patient_id, source)) from facts f) as facts,
       (select md5(string_agg(md5(s::text), '' order by source, subject, sequence)) from story s) as story,
       (select md5(string_agg(md5(w::text), '' order by task_id)) from work w) as work
"""
FORGET = "truncate facts, story, aliases, work, changes, inbox, parked, dead_letters, patient_keys, tombstones"


async def measure(stage: Stage) -> list[Figure]:
    """Seconds for all of it, and what a million would take at that rate."""
    count = stage.size(100_000, 1_000_000)
    async with stage.world() as world, world.connection() as owner:
        totals = await _fill(stage, world, count // EVENTS_PER_PATIENT)
        for source, total in totals.items():
            await published(world, source, total)
        await owner.execute("set search_path = dashboard")
        total = sum(totals.values())
        stage.say("the incremental state")
        first = await _take(stage, world, owner, total)
        before = dict(await owner.fetchrow(DIGEST))
        await owner.execute(FORGET)
        stage.say("the rebuilt state")
        seconds = await _take(stage, world, owner, total)
        if dict(await owner.fetchrow(DIGEST)) != before:
            raise AssertionError("the rebuilt read model differs from the incremental one")
    rate = total / seconds
    return [
        plain("events applied", "events/s", [total / first, total / seconds], note=f"{total:,} events"),
        plain(
            "a million events rebuilt", "s", [TARGET_EVENTS / rate], at_most=TARGET_SECONDS,
            note="measured" if total >= TARGET_EVENTS else f"from the rate at {total:,}; state equal",
        ),
    ]  # fmt: skip


async def _fill(stage: Stage, world: World, patients: int) -> dict[Source, int]:
    stage.say(f"writing {patients * EVENTS_PER_PATIENT:,} events of {patients:,} patients")
    keyring = Keyring.load(world.secrets.clinic_keys)
    totals: dict[Source, int] = {}
    for start in range(0, patients, PATIENTS_AT_ONCE):
        told: dict[Source, list[Event]] = {}
        for _ in range(start, min(start + PATIENTS_AT_ONCE, patients)):
            for source, event in story(keyring, new_id()):
                told.setdefault(source, []).append(event)
        for source, events in told.items():
            totals[source] = totals.get(source, 0) + await fill(world, source, events)
    return totals


async def _take(stage: Stage, world: World, owner: Any, total: int) -> float:
    """Start the dashboard before a full broker, and wait for the last event."""
    await from_the_start(world, "dashboard")
    began = time.perf_counter()
    async with stage.process(world, "dashboard"):
        while await owner.fetchval(TAKEN) < total:
            if time.perf_counter() - began > 60 + total / 200:
                raise TimeoutError(f"{await owner.fetchval(TAKEN)} of {total} events after a long time")
            await asyncio.sleep(0.25)  # to count takes the database a while
        return time.perf_counter() - began
