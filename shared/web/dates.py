"""Moments as people say them, in the clinic's zone and the reader's language."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, format_skeleton, format_timedelta

from shared.web.i18n import Texts

SOON = timedelta(days=6)


@dataclass(frozen=True, slots=True)
class Dates:
    """Formats aware datetimes; `now` is business time, so that "today" is the clinic's today."""

    language: str
    tz: ZoneInfo
    now: datetime
    texts: Texts

    @property
    def today(self) -> date:
        """The clinic's date."""
        return self.now.astimezone(self.tz).date()

    def time(self, moment: datetime) -> str:
        """`9:42`, `14:00`."""
        return format_datetime(moment.astimezone(self.tz), "H:mm", locale=self.language)

    def day(self, moment: datetime | date) -> str:
        """`today`, `yesterday`, `tomorrow`, else `Wed 18 Nov`, with the year where it is not this one."""
        day = moment.astimezone(self.tz).date() if isinstance(moment, datetime) else moment
        near = {0: "today", 1: "tomorrow", -1: "yesterday"}.get((day - self.today).days)
        if near is not None:
            return self.texts.get(self.language, f"dates.{near}")
        pattern = "EEE d MMM" if day.year == self.today.year else "EEE d MMM y"
        return self._date(day, pattern)

    def short_day(self, moment: datetime | date) -> str:
        """`3 Dec`, or `today`."""
        day = moment.astimezone(self.tz).date() if isinstance(moment, datetime) else moment
        return self.day(day) if day == self.today else self._date(day, "d MMM")

    def when(self, moment: datetime) -> str:
        """`today 14:00`, `Fri 10:30`, `3 Dec 9:00`."""
        day = moment.astimezone(self.tz).date()
        ahead = (day - self.today).days
        words = self._date(day, "EEE") if 1 < ahead <= SOON.days else self.day(day)
        return f"{words} {self.time(moment)}"

    def day_and_time(self, moment: datetime) -> str:
        """`Thu 3 Dec, 9:42`."""
        return format_datetime(moment.astimezone(self.tz), "EEE d MMM, H:mm", locale=self.language)

    def full(self, moment: datetime) -> str:
        """`Thursday 3 December, 11:00`, for patients; with the year where it is not this one."""
        return f"{self.full_day(moment)}, {self.time(moment)}"

    def full_day(self, moment: datetime | date) -> str:
        """`Thursday 3 December`, with the year where it is not this one."""
        day = moment.astimezone(self.tz).date() if isinstance(moment, datetime) else moment
        de = " 'de'" if self.language == "es" else ""
        return self._date(day, f"EEEE d{de} MMMM" if day.year == self.today.year else f"EEEE d{de} MMMM{de} y")

    def month(self, moment: datetime | date) -> str:
        """`November 2026`."""
        day = moment.astimezone(self.tz).date() if isinstance(moment, datetime) else moment
        return format_skeleton("yMMMM", day, locale=self.language)

    def ago(self, moment: datetime) -> str:
        """How long since: `4 min`, `3 hr`, `2 days`."""
        passed = max(self.now - moment, timedelta(0))
        if passed < timedelta(minutes=1):
            return self.texts.get(self.language, "dates.now")
        return format_timedelta(passed, granularity="minute", locale=self.language, format="short", threshold=1.5)

    def lasting(self, span: timedelta) -> str:
        """A length of time: `40 minutes`, `3 days`; a minute at least."""
        return format_timedelta(
            max(span, timedelta(minutes=1)), granularity="minute", locale=self.language, threshold=1.5
        )

    def left(self, deadline: datetime) -> str:
        """Time to a deadline as a clock, `1:18` (h:mm), `−0:12` when it has passed, the day when it is not today."""
        if deadline.astimezone(self.tz).date() != self.today and deadline > self.now:
            return self.day(deadline)
        left = deadline - self.now
        minutes = int(abs(left).total_seconds() // 60)
        if minutes >= 24 * 60:
            return self.day(deadline)
        return f"{'−' if left < timedelta(0) else ''}{minutes // 60}:{minutes % 60:02d}"

    def birthday(self, day: date) -> str:
        """`12 Mar 1988`."""
        return self._date(day, "d MMM y")

    def _date(self, day: date, pattern: str) -> str:
        return format_date(day, pattern, locale=self.language)
