"""A course of six sessions in a calendar that is 80% full: five prescribers and monitors each, six rooms, 28 days.

The plan is the best one by the planner's own measure (`services/scheduling/domain/planner.py`), found in one search; so
the time to the first feasible one is the time to the best. Processor time, which does not depend on what else a machine
does.
"""

import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from benchmarks.harness import Figure, Stage, plain, quantile
from services.scheduling.domain import house
from services.scheduling.domain.planner import Order, Plan, plan
from services.scheduling.domain.spans import Span, Spans, merge
from shared.clinic import Clinic, load
from shared.clinic.people import Person
from shared.contracts.assessment import Route
from tests.support.world import CLINIC

SESSIONS, ROUTE = 6, Route.IM
BEGIN = datetime(2027, 2, 1, 15, tzinfo=UTC)
FULL = 0.8
PATIENT = UUID(int=7)
MANY = 5
ROOMS = 6


async def measure(stage: Stage) -> Sequence[Figure]:
    """Milliseconds for each of many calendars."""
    clinic = _large(load(CLINIC))
    taken, feasible = [], 0
    for seed in range(stage.size(60, 400)):
        order = _order(clinic)
        calendar = _calendar(clinic, order, random.Random(seed))
        window = house.Window(order.not_before, order.horizon + timedelta(days=1))
        began = time.process_time()
        site = house.session_site(clinic, ROUTE, window, calendar, away={}, lead="osei", patients=[PATIENT])
        feasible += isinstance(plan(order, site, clinic.tz), Plan)
        taken.append((time.process_time() - began) * 1_000)
    note = f"{feasible} of {len(taken)} calendars had room for a course; of the others it is said why"
    return [
        plain("a course planned, p50", "ms", [quantile(taken, 0.5)], at_most=200),
        plain("a course planned, slowest", "ms", [max(taken)], at_most=200, note=note),
    ]


def _large(clinic: Clinic) -> Clinic:
    """The demo clinic with as many people and rooms as the target names."""
    prescriber, monitor, room = clinic.person("osei"), clinic.person("tran"), clinic.room("room-2")
    others = [one for one in clinic.people if not {"provider", "monitor"} & set(one.roles)]
    people = [*others, *_copies(prescriber), *_copies(monitor)]
    rooms = [room.model_copy(update={"id": f"room-{number}"}) for number in range(ROOMS)]
    return clinic.model_copy(update={"people": tuple(people), "rooms": tuple(rooms)})


def _copies(person: Person) -> list[Person]:
    return [person, *(person.model_copy(update={"id": f"{person.id}-{number}"}) for number in range(1, MANY))]


def _order(clinic: Clinic) -> Order:
    shape, rules = house.shape_of(clinic, ROUTE), house.rules_of(clinic)
    assert shape is not None
    valid = BEGIN + timedelta(days=90)
    return Order(SESSIONS, shape, rules, BEGIN, valid, BEGIN + timedelta(days=28))


def _calendar(clinic: Clinic, order: Order, drawn: random.Random) -> dict[str, Spans]:
    """Everybody and every room is in other sessions for that share of the day's places for one."""
    block = timedelta(minutes=order.shape.block)
    days = house.Window(order.not_before, order.horizon + timedelta(days=1)).days(clinic)
    open_ = [Span(*one) for day in days for one in clinic.hours.intervals(day)]
    blocks = [
        Span(span.start + number * block, span.start + (number + 1) * block)
        for span in open_
        for number in range((span.end - span.start) // block)
    ]
    return {resource: merge(drawn.sample(blocks, round(FULL * len(blocks)))) for resource in house.resources(clinic)}
