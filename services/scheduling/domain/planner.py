"""A course of sessions, planned whole: the earliest day on which a course can begin, then the best spacing.

Exact over the grid of starting times and deterministic: the same calendar gives the same plan. Of several courses
that begin on the earliest possible day it takes the one nearest to the wanted gaps and to one time of day.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo
from typing import NamedTuple

from services.scheduling.domain.sessions import Shape, Slot
from services.scheduling.domain.site import Site, slots

STRANGER_MINUTES = 12 * 60
"""A session with another prescriber than the first choice weighs like one that comes half a day late."""
_NEVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Rules:
    """How sessions of one course may lie. Gaps are elapsed time from start to start."""

    gap_min: timedelta
    gap_target: timedelta
    gap_max: timedelta
    within: timedelta
    """From the first session to the last."""
    step: timedelta
    """The grid of starting times."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be planned. The first start is not before, the last way home not after, these moments."""

    sessions: int
    shape: Shape
    rules: Rules
    not_before: datetime
    valid_until: datetime
    horizon: datetime
    """No session is looked for at or after this moment."""


@dataclass(frozen=True, slots=True)
class Plan:
    """As many slots as were ordered, in order of time."""

    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class Infeasible:
    """No plan fits. Each reason alone, were it lifted, would make one possible; "combined" when only several would."""

    reasons: tuple[str, ...]


class _Step(NamedTuple):
    """The best way to a candidate: its cost, and the index of the candidate before it (-1 for the first)."""

    cost: int
    before: int


@dataclass(frozen=True, slots=True)
class _Field:
    """The candidates by index, in whole minutes. A session at `index` may be followed by one in `windows[index]`."""

    times: list[int]
    days: list[date]
    clock: list[int]
    strange: list[int]
    """What it costs that somebody else than the first choice prescribes."""
    windows: list[tuple[int, int]]
    target: int
    within: int


def plan(order: Order, site: Site, zone: tzinfo) -> Plan | Infeasible:
    """The best course for this order, or why there is none."""
    candidates = _candidates(order, site)
    field = _field(candidates, order, site, zone)
    first = _first_day(field, order.sessions)
    if not first:
        return Infeasible(_reasons(order, site, zone))
    return Plan(tuple(candidates[index] for index in _course(field, first, order.sessions)))


def _candidates(order: Order, site: Site) -> list[Slot]:
    last = min(order.horizon, order.valid_until)
    found = slots(site, order.shape, first=order.not_before, last=last, step=order.rules.step)
    return [slot for slot in found if slot.at.ends_at <= order.valid_until]


def _field(candidates: Sequence[Slot], order: Order, site: Site, zone: tzinfo) -> _Field:
    local = [slot.at.starts_at.astimezone(zone) for slot in candidates]
    times = [int(slot.at.starts_at.timestamp()) // 60 for slot in candidates]
    wanted = next(iter(site.leads), None)
    rules = order.rules
    return _Field(
        times=times,
        days=[moment.date() for moment in local],
        clock=[moment.hour * 60 + moment.minute for moment in local],
        strange=[0 if slot.prescriber == wanted else STRANGER_MINUTES for slot in candidates],
        windows=_windows(times, _minutes(rules.gap_min), _minutes(rules.gap_max)),
        target=_minutes(rules.gap_target),
        within=_minutes(rules.within),
    )


def _windows(times: Sequence[int], gap_min: int, gap_max: int) -> list[tuple[int, int]]:
    """For each candidate the range of those that may follow it. Two pointers, since `times` ascend."""
    windows: list[tuple[int, int]] = []
    low = high = 0
    for time in times:
        while low < len(times) and times[low] < time + gap_min:
            low += 1
        while high < len(times) and times[high] <= time + gap_max:
            high += 1
        windows.append((low, max(low, high)))
    return windows


def _first_day(field: _Field, sessions: int) -> list[int]:
    """The candidates of the earliest day from which a whole course can be reached; empty when there is none."""
    finish = list(field.times)
    for _ in range(sessions - 1):
        finish = [min(finish[low:high], default=_NEVER) for low, high in field.windows]
    able = [index for index, end in enumerate(finish) if end - field.times[index] <= field.within]
    return [index for index in able if field.days[index] == field.days[able[0]]]


def _course(field: _Field, first: list[int], sessions: int) -> list[int]:
    """The cheapest course that begins at one of `first`, of which one can begin; ties go to the earlier times."""
    limit = field.times[first[0]] + field.within
    layers: list[dict[int, _Step]] = [{index: _Step(field.strange[index], -1) for index in first}]
    for _ in range(sessions - 1):
        layers.append(_next_layer(layers[-1], field, limit))
    last = layers[-1]
    index = min(last, key=lambda end: (last[end].cost, end))
    path: list[int] = []
    for layer in reversed(layers):
        path.append(index)
        index = layer[index].before
    return path[::-1]


def _next_layer(layer: dict[int, _Step], field: _Field, limit: int) -> dict[int, _Step]:
    """Minutes over the wanted gap cost their number, a shift of the time of day half of it, minutes under a quarter."""
    reached: dict[int, _Step] = {}
    for index, step in sorted(layer.items()):
        low, high = field.windows[index]
        wanted, clock = field.times[index] + field.target, field.clock[index]
        for after in range(low, high):
            time = field.times[after]
            if time > limit:
                break
            off = time - wanted if time > wanted else (wanted - time) // 4
            cost = step.cost + field.strange[after] + off + abs(field.clock[after] - clock) // 2
            known = reached.get(after)
            if known is None or cost < known.cost:
                reached[after] = _Step(cost, index)
    return reached


def _minutes(length: timedelta) -> int:
    return length // timedelta(minutes=1)


def _reasons(order: Order, site: Site, zone: tzinfo) -> tuple[str, ...]:
    reasons = tuple(
        code
        for code, eased, house in _relaxed(order, site)
        if _first_day(_field(_candidates(eased, house), eased, house, zone), eased.sessions)
    )
    return reasons or ("combined",)


def _relaxed(order: Order, site: Site) -> Iterable[tuple[str, Order, Site]]:
    """The same order with one obstacle lifted, for each obstacle."""
    yield "room-taken", order, replace(site, rooms={"any:room": site.opening})
    yield "monitor-taken", order, replace(site, monitors={"any:monitor": site.opening})
    yield "prescriber-taken", order, replace(site, leads={"any:prescriber": site.opening})
    yield "airway-missing", order, replace(site, airway=None)
    yield "patient-busy", order, replace(site, patient=site.opening)
    yield "approval-too-short", replace(order, valid_until=order.horizon), site
    # The least gap protects the patient: no plan is ever wished for that breaks it.
    whole = order.horizon - order.not_before
    loose = replace(order.rules, gap_max=whole, within=whole)
    yield "spacing", replace(order, rules=loose), site
