"""A course of sessions, planned whole: the earliest day on which a course can begin, then the best spacing.

Exact over the grid of starting times and deterministic: the same calendar gives the same plan. Of several courses
that begin on the earliest possible day it takes the one nearest to the wanted gaps and to one time of day.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple

from services.scheduling.domain.sessions import Shape, Slot
from services.scheduling.domain.site import Site, slots


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
    """The best way to a candidate: its cost, the index of the candidate before it (-1 for the first)."""

    cost: int
    before: int


def plan(order: Order, site: Site, zone: tzinfo) -> Plan | Infeasible:
    """The best course for this order, or why there is none."""
    found = _best(order, site, zone)
    if found is not None:
        return Plan(found)
    return Infeasible(_reasons(order, site, zone))


def _best(order: Order, site: Site, zone: tzinfo) -> tuple[Slot, ...] | None:
    candidates = _candidates(order, site)
    first = _first_days(candidates, order, zone)
    return _course(candidates, first, order, zone) if first else None


def _candidates(order: Order, site: Site) -> list[Slot]:
    last = min(order.horizon, order.valid_until)
    found = slots(site, order.shape, first=order.not_before, last=last, step=order.rules.step)
    return [slot for slot in found if slot.at.ends_at <= order.valid_until]


def _first_days(candidates: Sequence[Slot], order: Order, zone: tzinfo) -> list[int]:
    """The candidates of the earliest local day from which a whole course can be reached, by index."""
    times = [slot.at.starts_at for slot in candidates]
    finish: list[datetime | None] = list(times)
    for _ in range(order.sessions - 1):
        finish = [
            min((end for end in finish[low:high] if end is not None), default=None)
            for low, high in _windows(times, order.rules)
        ]
    able = [index for index, end in enumerate(finish) if end is not None and end - times[index] <= order.rules.within]
    if not able:
        return []
    day = times[able[0]].astimezone(zone).date()
    return [index for index in able if times[index].astimezone(zone).date() == day]


def _windows(times: Sequence[datetime], rules: Rules) -> list[tuple[int, int]]:
    """For each candidate the range of those that may follow it. Two pointers, since `times` ascend."""
    windows: list[tuple[int, int]] = []
    low = high = 0
    for time in times:
        while low < len(times) and times[low] < time + rules.gap_min:
            low += 1
        while high < len(times) and times[high] <= time + rules.gap_max:
            high += 1
        windows.append((low, max(low, high)))
    return windows


def _course(candidates: Sequence[Slot], first: list[int], order: Order, zone: tzinfo) -> tuple[Slot, ...]:
    """The cheapest course that begins at one of `first`, of which one can begin; ties go to the earlier times."""
    times = [slot.at.starts_at for slot in candidates]
    clock = [_minute_of_day(time, zone) for time in times]
    windows = _windows(times, order.rules)
    limit = times[first[0]] + order.rules.within
    layers: list[dict[int, _Step]] = [{begin: _Step(0, -1) for begin in first}]
    for _ in range(order.sessions - 1):
        layers.append(_next_layer(layers[-1], times, clock, windows, limit, order.rules))
    end = min(layers[-1], key=lambda index: (layers[-1][index].cost, index))
    return tuple(candidates[index] for index in _path(layers, end))


def _next_layer(
    layer: dict[int, _Step],
    times: Sequence[datetime],
    clock: Sequence[int],
    windows: Sequence[tuple[int, int]],
    limit: datetime,
    rules: Rules,
) -> dict[int, _Step]:
    reached: dict[int, _Step] = {}
    for index, step in sorted(layer.items()):
        low, high = windows[index]
        for after in range(low, high):
            if times[after] > limit:
                break
            cost = step.cost + _cost(times[after] - times[index], clock[after] - clock[index], rules)
            known = reached.get(after)
            if known is None or cost < known.cost:
                reached[after] = _Step(cost, index)
    return reached


def _cost(gap: timedelta, shift: int, rules: Rules) -> int:
    """Minutes away from the wanted gap, and a quarter of the minutes by which the time of day moves."""
    over = max(timedelta(0), gap - rules.gap_target)
    return over // timedelta(minutes=1) + abs(shift) // 4


def _path(layers: Sequence[dict[int, _Step]], end: int) -> tuple[int, ...]:
    path: list[int] = []
    for layer in reversed(layers):
        path.append(end)
        end = layer[end].before
    return tuple(reversed(path))


def _minute_of_day(moment: datetime, zone: tzinfo) -> int:
    local = moment.astimezone(zone)
    return local.hour * 60 + local.minute


def _reasons(order: Order, site: Site, zone: tzinfo) -> tuple[str, ...]:
    reasons = tuple(
        code for code, eased, house in _relaxed(order, site) if _first_days(_candidates(eased, house), eased, zone)
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
    loose = replace(order.rules, gap_min=timedelta(hours=1), gap_max=order.rules.within)
    yield "spacing", replace(order, rules=loose), site
