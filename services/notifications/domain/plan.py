"""Which messages a visit needs and when, and which of them share a text when a day would bring too many."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from uuid import UUID
from zoneinfo import ZoneInfo

from services.notifications.domain.quiet import Window, arrives
from shared.clinic.messages import SmsOrEmail, Step


@dataclass(frozen=True, slots=True)
class Visit:
    """What the ladder needs to know of an appointment. `ends_at` is the way home."""

    kind: str
    starts_at: datetime
    ends_at: datetime
    escorted: bool


@dataclass(frozen=True, slots=True)
class Rung:
    """One planned message of the ladder. `text` is the key of its words, `asks` the question that it puts."""

    code: str
    text: str
    channel: SmsOrEmail
    due_at: datetime
    until_at: datetime
    asks: str | None


def ladder(visit: Visit, steps: Iterable[Step], window: Window, now: datetime, known: frozenset[str]) -> list[Rung]:
    """The messages of one visit from now on, in the order in which they are due.

    A rung that asks who takes the patient home keeps quiet about it once somebody does, and falls away where it has
    nothing else to say (`known` holds the keys of all texts). E-mail has no quiet hours.
    """
    rungs: list[Rung] = []
    for step in steps:
        if step.visit != visit.kind:
            continue
        asks = None if visit.escorted and step.asks == "transport" else step.asks
        text = f"{step.code}_ask" if asks == "transport" else step.code
        if text not in known:
            continue
        wanted, by, until = _moments(step, visit)
        for channel in step.channels:
            due = arrives(window, now, wanted, by, until) if channel == "sms" else _at_once(now, wanted, until)
            if due is not None:
                rungs.append(Rung(step.code, text, channel, due, until, asks))
    return sorted(rungs, key=lambda rung: rung.due_at)


def _moments(step: Step, visit: Visit) -> tuple[datetime, datetime, datetime]:
    """(wanted, quiet hours may move it to, of use until)."""
    if step.hours_before is not None:
        by = step.hours_before if step.by_hours_before is None else step.by_hours_before
        until = by if step.until_hours_before is None else step.until_hours_before
        return (
            visit.starts_at - timedelta(hours=step.hours_before),
            visit.starts_at - timedelta(hours=by),
            visit.starts_at - timedelta(hours=until),
        )
    after = timedelta(hours=step.hours_after or 0)
    until_after = timedelta(hours=step.until_hours_after) if step.until_hours_after else after
    return visit.ends_at + after, visit.ends_at + until_after, visit.ends_at + until_after


def _at_once(now: datetime, wanted: datetime, until: datetime) -> datetime | None:
    at = max(wanted, now)
    return at if at <= until else None


@dataclass(frozen=True, slots=True)
class Due:
    """A planned text, as the merging sees it."""

    id: UUID
    due_at: datetime
    asks: bool


def merged(texts: Iterable[Due], per_day: int, sent: Mapping[date, int], zone: ZoneInfo) -> dict[UUID, UUID]:
    """Which planned text travels inside which earlier one, so that no day of the patient brings more than `per_day`.

    `sent` counts what already went out on a day. The nearest two are joined first, two that both ask last: an answer
    must be readable. A day always keeps room for one text.
    """
    carried: dict[UUID, UUID] = {}
    ordered = sorted(texts, key=lambda text: (text.due_at, text.id))
    for day, found in groupby(ordered, key=lambda text: text.due_at.astimezone(zone).date()):
        groups = [[text] for text in found]
        while len(groups) > max(per_day - sent.get(day, 0), 1):
            place = _nearest(groups)
            groups[place] += groups.pop(place + 1)
        carried.update({text.id: group[0].id for group in groups for text in group[1:]})
    return carried


def _nearest(groups: Sequence[Sequence[Due]]) -> int:
    def cost(place: int) -> tuple[bool, timedelta]:
        first, second = groups[place], groups[place + 1]
        both_ask = any(text.asks for text in first) and any(text.asks for text in second)
        return both_ask, second[0].due_at - first[0].due_at

    return min(range(len(groups) - 1), key=cost)
