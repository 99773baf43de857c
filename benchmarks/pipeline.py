"""The whole way: a contact over HTTP, through Kafka, into the dashboard's read model; all of it on the same machine.

The base is the bare insert of `accept`, in turn. Intake takes in as many contacts as 32 clients hand in, while its
relay publishes and the dashboard applies them; then it is timed until the last event is applied, and every contact that
got a 201 is looked for by its id.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from benchmarks.accept import CLIENTS, UNLIMITED, Doors
from benchmarks.harness import Figure, Stage, compared, in_turn, plain
from benchmarks.harness.load import Caller, Measured, loop_for
from tests.support.waiting import eventually

BEHIND = """
select exists (select from intake.streams s
                 left join dashboard.inbox i on (i.source, i.subject) = (1, s.subject)
                where coalesce(i.sequence, 0) < s.sequence)
"""
SEEN = "select patient_id from dashboard.facts where source = 'intake' and patient_id = any($1)"


@dataclass(slots=True)
class Through:
    """A stretch of load, how long after its end everything was applied (seconds), and how many were not."""

    load: Measured
    drained: float = 0.0
    lost: int = 0


async def measure(stage: Stage) -> Sequence[Figure]:
    """Rate, seconds until drained, and contacts lost."""
    seconds = 15 if stage.full else 4
    async with (
        stage.world() as world,
        stage.process(world, "intake", producer_per_minute=UNLIMITED) as intake,
        stage.process(world, "dashboard"),
    ):
        doors = await Doors.open(world, intake)
        through: list[Through] = []

        async def whole_way() -> Measured:
            through.append(await _whole_way(doors, seconds))
            return through[-1].load

        found = await in_turn(stage.rounds, {"bare": lambda: doors.bare(seconds), "whole": whole_way})
    rates = {name: [measured.rate for measured in each] for name, each in found.items()}
    measured = through[1:]
    return [
        compared(
            "HTTP → Kafka → inbox + read model", "contacts/s", rates["whole"], rates["bare"],
            against="bare insert, 32 connections", at_least=0.25,
        ),
        plain("drained after the load's end", "s", [each.drained for each in measured], at_most=2),
        plain("accepted and not in the read model", "contacts", [float(each.lost) for each in through], at_most=0),
    ]  # fmt: skip


async def _whole_way(doors: Doors, seconds: float) -> Through:
    accepted: list[UUID] = []
    callers = [await Caller.connect(doors.intake.url) for _ in range(CLIENTS)]

    async def once(client: int) -> int:
        accepted.append(UUID(json.loads(await doors.hand_in(callers[client]))["patient_id"]))
        return 1

    made = Through(await loop_for(seconds, CLIENTS, once))
    began = time.perf_counter()
    async with doors.world.connection() as owner:
        await eventually(lambda: owner.fetchval(BEHIND), equals=False, timeout=300, every=0.05)
        made.drained = time.perf_counter() - began
        seen = {row["patient_id"] for row in await owner.fetch(SEEN, accepted)}
    made.lost = len(set(accepted) - seen)
    for caller in callers:
        caller.transport.close()
    return made
