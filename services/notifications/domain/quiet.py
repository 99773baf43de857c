"""When a text may arrive: within the clinic's sending hours, by the patient's own wall clock."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from shared.clinic.calendar import moments
from shared.clinic.opening import Span

_DAY = timedelta(days=1)
MARGIN = timedelta(minutes=10)
"""A text that goes out earlier leaves this long before the hours end, so that a slow delivery stays inside."""


@dataclass(frozen=True, slots=True)
class Window:
    """The sending hours of one zone. Moments are aware; an hour that daylight saving skips never opens."""

    span: Span
    zone: ZoneInfo

    def contains(self, at: datetime) -> bool:
        """Whether the wall clock then shows a sending hour."""
        return any(start <= at < end for start, end in self._around(at))

    def next_opening(self, at: datetime) -> datetime:
        """The first moment at or after `at` within the hours."""
        return next(max(start, at) for start, end in self._around(at) if end > at)

    def last_before(self, at: datetime) -> datetime:
        """The last moment before `at` within the hours, `MARGIN` before they end."""
        ends = [min(end - MARGIN, at) for start, end in self._around(at) if start + MARGIN < at]
        return ends[-1]

    def _around(self, at: datetime) -> list[tuple[datetime, datetime]]:
        today = at.astimezone(self.zone).date()
        days = (today + ahead * _DAY for ahead in range(-2, 4))
        return [interval for day in days for interval in moments((self.span,), day, self.zone)]


def arrives(window: Window, now: datetime, wanted: datetime, by: datetime, until: datetime) -> datetime | None:
    """When a text that is wanted at a moment should go; None when that is no longer of use.

    Outside the hours it waits for their beginning while that is not after `by`, else it goes before they end: a message
    that would arrive too late goes earlier, not later. What was planned too late for that is useful until `until`.
    Where nothing within the hours is left, being told at all comes first: it goes at once.
    """
    at = max(wanted, now)
    if at > until:
        return None
    if window.contains(at):
        return at.astimezone(UTC)
    later = window.next_opening(at)
    if later <= by:
        return later
    earlier = window.last_before(at)
    if earlier >= now:
        return earlier
    return later if later <= until else at.astimezone(UTC)
