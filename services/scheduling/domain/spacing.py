"""Whether a session may move to a time, seen from its neighbours in the course."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from services.scheduling.domain.planner import Rules


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another session of the same course that takes, or took, place."""

    number: int
    starts_at: datetime


@dataclass(frozen=True, slots=True)
class Breach:
    """What stands in the way: a code, the neighbour's number and its time."""

    code: str
    number: int
    starts_at: datetime


def breach(number: int, starts_at: datetime, others: Iterable[Neighbour], rules: Rules) -> Breach | None:
    """The first rule that session `number` at `starts_at` would break; None when it may be there."""
    return next(breaches(number, starts_at, others, rules), None)


def breaches(number: int, starts_at: datetime, others: Iterable[Neighbour], rules: Rules) -> Iterator[Breach]:
    """Every rule that session `number` at `starts_at` would break, the one that nobody may lift first.

    Sessions keep their order, are at least `gap_min` and at most `gap_max` apart, and the course stays `within`.
    """
    ordered = sorted(others, key=lambda one: one.number)
    before = next((one for one in reversed(ordered) if one.number < number), None)
    after = next((one for one in ordered if one.number > number), None)
    beside = [one for one in (before, after) if one is not None]
    for one in beside:
        if not _in_order(number, starts_at, one) or abs(starts_at - one.starts_at) < rules.gap_min:
            yield Breach("too-close", one.number, one.starts_at)
    for one in beside:
        if abs(starts_at - one.starts_at) > rules.gap_max:
            yield Breach("too-far", one.number, one.starts_at)
    for one in (ordered[0], ordered[-1]) if ordered else ():
        if abs(one.starts_at - starts_at) > rules.within:
            yield Breach("course-too-long", one.number, one.starts_at)


def _in_order(number: int, starts_at: datetime, one: Neighbour) -> bool:
    return (one.number < number) == (one.starts_at < starts_at)
