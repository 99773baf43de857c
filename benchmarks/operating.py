"""The operator's commands: how fast `passage verify` builds the board anew, and how long a page of the doctor takes.

The base is the dashboard's own consumer, which applies the same events from Kafka just before.
"""

import os
import time
from collections.abc import Iterator, Sequence

from benchmarks.harness import Figure, Stage, compared, plain
from benchmarks.harness.events import EVENTS_PER_PATIENT, fill, lead, updated
from passage.doctoring.run import doctor
from passage.telling import Level
from passage.verifying.models import MODELS
from passage.verifying.rebuilding import compare
from shared.contracts.base import Event
from shared.db.migrate import SERVICES
from shared.ids import new_id
from shared.security.keyring import Keyring
from tests.support.waiting import eventually
from tests.support.world import World

APPLIED = "select coalesce(sum(sequence), 0)::bigint from inbox"


async def measure(stage: Stage) -> Sequence[Figure]:
    """Fill, let the dashboard apply, then verify and look, as often as the stage wants."""
    count = stage.size(20_000, 1_000_000)
    async with stage.world() as world:
        for name in SERVICES:
            os.environ.update(world.wiring.variables(name))
        await fill(world, "intake", _events(Keyring.load(world.secrets.clinic_keys), count // EVENTS_PER_PATIENT))
        async with stage.process(world, "dashboard"), stage.process(world, "intake"):
            began = time.monotonic()
            async with world.connection("dashboard") as conn:
                await eventually(lambda: conn.fetchval(APPLIED), equals=count, timeout=1_800, every=0.2)
            consumed = count / (time.monotonic() - began)
            rates, pages = [], []
            for _ in range(stage.rounds):
                rates.append(count / await _verified(world))
                began = time.monotonic()
                await doctor(world.dsn())
                pages.append(time.monotonic() - began)
    return [
        compared("verify the board", "events/s", rates, [consumed] * len(rates), against="the consumer"),
        plain("a page of the doctor", "s", pages, at_most=5),
    ]


async def _verified(world: World) -> float:
    began = time.monotonic()
    found = await compare(world.dsn(), next(model for model in MODELS if model.service == "dashboard"))
    if found.level is not Level.FINE:
        raise RuntimeError(found)
    return time.monotonic() - began


def _events(keyring: Keyring, patients: int) -> Iterator[Event]:
    for _ in range(patients):
        patient = new_id()
        yield lead(keyring, patient)
        for number in range(EVENTS_PER_PATIENT - 1):
            yield updated(patient, number)
