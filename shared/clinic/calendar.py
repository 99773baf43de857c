"""When the clinic is open, as UTC intervals.

The rule is one sentence: a moment is open exactly when the wall clock of the clinic's zone then shows an open time.
So an hour that daylight saving skips never opens, and one that it repeats is open twice.
"""

from bisect import bisect_left
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from shared.clinic.opening import Opening, Spans, Week
from shared.clinic.people import Person

Interval = tuple[datetime, datetime]
"""From a moment to before another, both aware and in UTC."""

_DAY = timedelta(days=1)
_LOOK_AHEAD_DAYS = 60


class Calendar:
    """The clinic's hours. `week` is what the policy says; days and moments are computed from it."""

    def __init__(self, opening: Opening, zone: ZoneInfo, country: str) -> None:
        self.week = opening
        self._zone = zone
        self._country = country

    def closed_because(self, day: date) -> str | None:
        """Why no appointment can be on that day although its weekday has hours; None when it has its usual hours."""
        if day in self.week.closed:
            return "closed"
        if self.week.holidays is None or day in self.week.open_on_holidays:
            return None
        return public_holidays(self._country, self.week.holidays, day.year).get(day)

    def intervals(self, day: date) -> list[Interval]:
        """The clinic's open intervals on a local date, in order, never touching each other."""
        return self._of(self.week, day)

    def person_intervals(self, person: Person, day: date) -> list[Interval]:
        """When a person works on a local date: their own hours where they have some, never outside the clinic's."""
        if person.hours is None:
            return self.intervals(day)
        return _overlap(self._of(person.hours, day), self.intervals(day))

    def is_open(self, at: datetime) -> bool:
        """Whether the clinic is open at an aware moment."""
        return any(start <= at < end for start, end in self.intervals(at.astimezone(self._zone).date()))

    def next_opening(self, at: datetime) -> datetime | None:
        """The next moment at or after `at` when the clinic is open, in UTC; None if it stays closed for 60 days."""
        today = at.astimezone(self._zone).date()
        for ahead in range(-1, _LOOK_AHEAD_DAYS):
            for start, end in self.intervals(today + ahead * _DAY):
                if end > at:
                    return max(start, at.astimezone(UTC))
        return None

    def closing(self, at: datetime) -> datetime | None:
        """When the clinic closes that is open at `at`, in UTC; None when it is closed."""
        found = (end for start, end in self.intervals(at.astimezone(self._zone).date()) if start <= at < end)
        return next(found, None)

    def _of(self, week: Week, day: date) -> list[Interval]:
        spans = week.on(day)
        if not spans or self.closed_because(day) is not None:
            return []
        return moments(spans, day, self._zone)


def moments(spans: Spans, day: date, zone: ZoneInfo) -> list[Interval]:
    """The UTC intervals in which the wall clock of `zone` shows that day and a time within `spans`."""
    midnight = datetime.combine(day, time(), UTC)
    found: list[Interval] = []
    for since, until, offset in _constant_offsets(midnight - _DAY, midnight + 2 * _DAY, zone):
        for span in spans:
            start = max(since, midnight + timedelta(minutes=span.start) - offset)
            end = min(until, midnight + timedelta(minutes=span.end) - offset)
            if start < end:
                found.append((start, end))
    return _joined(sorted(found))


@lru_cache(maxsize=64)
def public_holidays(country: str, subdivision: str, year: int) -> dict[date, str]:
    """The public holidays of a country or one of its subdivisions, observed days included.

    Raises:
        NotImplementedError: the country or subdivision is not known to the `holidays` library.
    """
    import holidays

    subdiv = None if subdivision == "national" else subdivision
    return dict(holidays.country_holidays(country, subdiv=subdiv, years=year))


def _constant_offsets(start: datetime, end: datetime, zone: ZoneInfo) -> list[tuple[datetime, datetime, timedelta]]:
    """Cut [start, end) where the zone's offset changes. Looks every three hours, then to the second."""
    pieces: list[tuple[datetime, datetime, timedelta]] = []
    since, offset = start, _offset(start, zone)
    step = timedelta(hours=3)
    at = start
    while at < end:
        ahead = min(at + step, end)
        if _offset(ahead, zone) != offset:
            seconds = range(int((ahead - at).total_seconds()) + 1)
            before, first = offset, at
            changed = first + timedelta(
                seconds=bisect_left(seconds, True, key=lambda s: _offset(first + timedelta(seconds=s), zone) != before)
            )
            pieces.append((since, changed, offset))
            since, offset, at = changed, _offset(changed, zone), changed
        else:
            at = ahead
    pieces.append((since, end, offset))
    return pieces


def _offset(at: datetime, zone: ZoneInfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


def _joined(ordered: list[Interval]) -> list[Interval]:
    joined: list[Interval] = []
    for start, end in ordered:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _overlap(some: list[Interval], others: list[Interval]) -> list[Interval]:
    pairs = ((max(a, c), min(b, d)) for a, b in some for c, d in others)
    return sorted(pair for pair in pairs if pair[0] < pair[1])
