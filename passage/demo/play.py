"""The play: the whole cast against a running stack, each to the end of their way."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx

from passage.demo.browser import NotSeen
from passage.demo.cast import CAST, Role
from passage.demo.patient import Patient
from passage.demo.playbill import Playbill
from passage.demo.staff import Refused
from passage.demo.stage import Stage

CLOCK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Ended:
    """Where somebody came to: `patient_id`, and what went wrong, if anything did."""

    patient_id: str
    words: str
    wrong: str = ""


async def play(stage: Stage, bill: Playbill, cast: Iterable[Role] = CAST) -> dict[str, Ended]:
    """Play these roles together; how each ended, by its code.

    Raises:
        ClockStuck: something that was due never happened.
    """
    ended: dict[str, Ended] = {}
    watching = asyncio.create_task(_watch_clock(stage, bill))
    try:
        await stage.conductor.play([_one(stage, bill, role, ended) for role in cast])
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return ended


async def _one(stage: Stage, bill: Playbill, role: Role, ended: dict[str, Ended]) -> None:
    patient = Patient(
        stage, role.name, role.phone, role.email, lambda words: bill.tell(role.code, words), language=role.language
    )
    try:
        words = await role.play(patient)
    except (Refused, NotSeen, LookupError, httpx.HTTPError) as error:
        ended[role.code] = Ended(patient.id, "", wrong=str(error) or type(error).__name__)
        bill.tell(role.code, str(error), "failed")
    else:
        ended[role.code] = Ended(patient.id, words)
        bill.tell(role.code, words, "ended")
    finally:
        await patient.close()


async def _watch_clock(stage: Stage, bill: Playbill) -> Any:
    while True:
        with suppress(httpx.HTTPError):
            bill.clock(await stage.outside.now())
        await asyncio.sleep(CLOCK_SECONDS)
