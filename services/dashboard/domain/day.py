"""A day as columns of rooms or of people: who is where from when to when, with the phases of each visit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID

from shared.clinic import Clinic
from shared.clinic.appointments import SessionKind

By = Literal["rooms", "people"]
STEP = 5
"""Minutes: what the day is drawn in."""
NOWHERE = ""
"""The column of visits that take no room: by video and phone."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a treatment session has besides."""

    route: str
    number: int
    of: int
    dose_at: datetime
    room_until: datetime


@dataclass(frozen=True, slots=True)
class Visit:
    """One appointment of the day; moments in the clinic's zone."""

    id: UUID
    patient_id: UUID
    state: str
    at: datetime
    until: datetime
    mode: str
    provider_id: str
    monitor_id: str | None
    room_id: str | None
    session: Session | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of a block: from `start` minutes after the block's beginning, for `minutes`."""

    code: str
    at: datetime
    start: int
    minutes: int


@dataclass(frozen=True, slots=True)
class Block:
    """A visit in a column. `start` counts minutes from the top of the day, `lane` of `lanes` is its place abreast."""

    visit: Visit
    at: datetime
    until: datetime
    start: int
    minutes: int
    part: str = ""
    phases: tuple[Phase, ...] = ()
    lane: int = 0
    lanes: int = 1


@dataclass(frozen=True, slots=True)
class Away:
    """Somebody is away, as far as it is this day's; moments in the clinic's zone. `in_the_way` is booked then."""

    id: UUID
    person_id: str
    at: datetime
    until: datetime
    in_the_way: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Leave:
    """An absence in a person's column, in minutes from the top of the day."""

    away: Away
    start: int
    minutes: int


@dataclass(frozen=True, slots=True)
class Column:
    """A room or a person. `off` are the stretches (start, minutes) in which they don't work; `leave` is besides."""

    id: str
    blocks: tuple[Block, ...]
    off: tuple[tuple[int, int], ...] = ()
    leave: tuple[Leave, ...] = ()


@dataclass(frozen=True, slots=True)
class Grid:
    """The whole day, from the hour `first` to the hour `last` of the wall clock."""

    first: int
    last: int
    columns: tuple[Column, ...]

    def minute(self, moment: datetime, clinic: Clinic) -> int | None:
        """How far down a moment is; None where it is not on the grid."""
        local = moment.astimezone(clinic.tz)
        down = _minute(local) - self.first * 60
        return down if 0 <= down < (self.last - self.first) * 60 else None


def grid(clinic: Clinic, day: date, visits: Sequence[Visit], by: By, away: Sequence[Away] = ()) -> Grid:
    """The day by rooms or by people. Every room and everybody who may treat then has a column, also an empty one."""
    opening = [(a.astimezone(clinic.tz), b.astimezone(clinic.tz)) for a, b in clinic.hours.intervals(day)]
    ends = [it.session.room_until if it.session else it.until for it in visits]
    moments = [*(_minute(a) for a, _ in opening), *(_minute(it.at) for it in visits)]
    first = min(moments, default=8 * 60) // 60
    last = -(-max([*(_until(b, day) for _, b in opening), *(_until(end, day) for end in ends)], default=18 * 60) // 60)
    columns = _rooms(clinic, visits, first) if by == "rooms" else _people(clinic, day, visits, first, last)
    return Grid(first, last, tuple(_absent(_abreast(column), away, first, last) for column in columns))


def _rooms(clinic: Clinic, visits: Sequence[Visit], first: int) -> Iterable[Column]:
    for room in (*(room.id for room in clinic.rooms), NOWHERE):
        here = tuple(_in_room(clinic, visit, first) for visit in visits if (visit.room_id or NOWHERE) == room)
        if here or room != NOWHERE:
            yield Column(room, here)


def _people(clinic: Clinic, day: date, visits: Sequence[Visit], first: int, last: int) -> Iterable[Column]:
    for person in clinic.people:
        busy = tuple(block for visit in visits for block in _of_person(clinic, person.id, visit, first))
        if busy or "monitor" in person.roles or ("provider" in person.roles and person.licensed_on(day)):
            here = [(a.astimezone(clinic.tz), b.astimezone(clinic.tz)) for a, b in _hours(clinic, person.id, day)]
            yield Column(person.id, busy, _off(here, day, first, last))


def _hours(clinic: Clinic, person_id: str, day: date) -> Sequence[tuple[datetime, datetime]]:
    return clinic.hours.person_intervals(clinic.person(person_id), day)


def _in_room(clinic: Clinic, visit: Visit, first: int) -> Block:
    if visit.session is None:
        return _block(visit, visit.at, visit.until, first)
    block = _block(visit, visit.at, visit.session.room_until, first)
    return replace(block, until=visit.until, phases=tuple(_phases(clinic, visit, visit.session)))


def _phases(clinic: Clinic, visit: Visit, session: Session) -> Iterable[Phase]:
    """Times are the visit's own; how long the medicine works is the clinic's, as the policy says now."""
    kind = _kind(clinic, session.route)
    dosed = _between(visit.at, session.dose_at)
    stay = _between(visit.at, visit.until)
    awake = min(dosed + (kind.onset + kind.effect if kind else 0), stay)
    home = max(stay - kind.discharge, awake) if kind else stay
    marks = (("check_in", 0), ("dosed", dosed), ("watched", awake), ("home", home), ("turnover", stay))
    ends = (*(start for _, start in marks[1:]), _between(visit.at, session.room_until))
    for (code, start), end in zip(marks, ends, strict=True):
        if end > start:
            yield Phase(code, _after(visit.at, start), start, end - start)


def _kind(clinic: Clinic, route: str) -> SessionKind | None:
    return next((kind for name, kind in clinic.appointments.session.items() if name == route), None)


def _of_person(clinic: Clinic, person: str, visit: Visit, first: int) -> Iterable[Block]:
    session = visit.session
    if session is None:
        if visit.provider_id == person:
            yield _block(visit, visit.at, visit.until, first)
        return
    if visit.monitor_id == person:
        yield _block(visit, session.dose_at, visit.until, first, "watched")
    if visit.provider_id == person:
        kind = _kind(clinic, session.route)
        before, after = (kind.prescriber.before_dose, kind.prescriber.after_dose) if kind else (0, STEP)
        yield _block(visit, _after(session.dose_at, -before), _after(session.dose_at, after), first, "dose")
        if kind and kind.prescriber.discharge:
            yield _block(visit, _after(visit.until, -kind.prescriber.discharge), visit.until, first, "home")


def _block(visit: Visit, at: datetime, until: datetime, first: int, part: str = "") -> Block:
    start = max(_minute(at) - first * 60, 0)
    return Block(visit, at, until, start, max(_between(at, until), STEP), part)


def _abreast(column: Column) -> Column:
    """Blocks that overlap stand side by side; so do all that hang together with them."""
    placed: list[Block] = []
    cluster: list[Block] = []
    end = -1
    for block in sorted(column.blocks, key=lambda it: (it.start, str(it.visit.id))):
        if block.start >= end and cluster:
            placed += _lanes(cluster)
            cluster = []
        cluster.append(block)
        end = max(end, block.start + block.minutes)
    return replace(column, blocks=tuple(placed + _lanes(cluster)))


def _lanes(cluster: Sequence[Block]) -> list[Block]:
    ends: list[int] = []
    found = []
    for block in cluster:
        lane = next((lane for lane, end in enumerate(ends) if end <= block.start), len(ends))
        ends[lane : lane + 1] = [block.start + block.minutes]
        found.append(replace(block, lane=lane))
    return [replace(block, lanes=len(ends)) for block in found]


def _absent(column: Column, away: Sequence[Away], first: int, last: int) -> Column:
    """With when this person is away, as far as the day is drawn."""
    found = []
    for one in away:
        start = max(_minute(one.at) - first * 60, 0)
        end = min(_until(one.until, one.at.date()), last * 60) - first * 60
        if one.person_id == column.id and end > start:
            found.append(Leave(one, start, end - start))
    return replace(column, leave=tuple(found)) if found else column


def _off(here: Sequence[tuple[datetime, datetime]], day: date, first: int, last: int) -> tuple[tuple[int, int], ...]:
    """What lies between the top, these intervals and the bottom."""
    edges = [0, *(edge for a, b in here for edge in (_minute(a) - first * 60, _until(b, day) - first * 60))]
    edges.append((last - first) * 60)
    gaps = zip(edges[::2], edges[1::2], strict=True)
    return tuple((start, end - start) for start, end in gaps if end > start)


def _minute(local: datetime) -> int:
    return local.hour * 60 + local.minute


def _until(local: datetime, day: date) -> int:
    """Like `_minute`, of an end: midnight is the end of its day."""
    return _minute(local) if local.date() == day else 24 * 60


def _between(at: datetime, until: datetime) -> int:
    return int((until - at).total_seconds() // 60)


def _after(moment: datetime, minutes: int) -> datetime:
    return moment + timedelta(minutes=minutes)
