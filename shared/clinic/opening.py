"""Weekly hours as a clinic writes them: `mon = ["09:00-12:00", "13:00-17:00"]`, in the clinic's own wall-clock time."""

import re
from datetime import date
from itertools import pairwise
from typing import Annotated, Any

from pydantic import Field, field_validator, model_serializer, model_validator

from shared.clinic.part import Part

_SPAN = re.compile(r"^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)$")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Span(Part):
    """From `start` to before `end`, in minutes of the wall clock after midnight (0 to 1440)."""

    start: int
    end: int

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        found = _SPAN.match(value)
        if found is None:
            raise ValueError(f'{value!r} is not a span of hours: write "09:00-17:00" (24:00 may end it)')
        hour, minute, to_hour, to_minute = map(int, found.groups())
        start, end = hour * 60 + minute, to_hour * 60 + to_minute
        if end > 1440 or end <= start:
            raise ValueError(f"{value!r} must end after it starts, at 24:00 the latest: write two days for a night")
        return {"start": start, "end": end}

    @model_serializer
    def _write(self) -> str:
        return f"{self.start // 60:02}:{self.start % 60:02}-{self.end // 60:02}:{self.end % 60:02}"


Spans = tuple[Span, ...]


class Week(Part):
    """Seven lists of spans; a day that is left out is closed."""

    mon: Spans = ()
    tue: Spans = ()
    wed: Spans = ()
    thu: Spans = ()
    fri: Spans = ()
    sat: Spans = ()
    sun: Spans = ()

    @field_validator(*WEEKDAYS)
    @classmethod
    def _apart(cls, spans: Spans) -> Spans:
        ordered = tuple(sorted(spans, key=lambda span: span.start))
        for before, after in pairwise(ordered):
            if after.start < before.end:
                raise ValueError(f"{before._write()} and {after._write()} overlap: join them or move one")
        return ordered

    def on(self, day: date) -> Spans:
        """The spans of that day's weekday."""
        spans: Spans = getattr(self, WEEKDAYS[day.weekday()])
        return spans


class Opening(Week):
    """The clinic's own hours, with the days on which it is closed all the same.

    `holidays` names a subdivision of the clinic's country ("UT", "PR"), "national" for the country's own,
    or is left out where the clinic keeps none. `open_on_holidays` names public holidays it works on.
    """

    holidays: Annotated[str, Field(pattern=r"^(national|[A-Z0-9]{1,3})$")] | None = None
    open_on_holidays: tuple[date, ...] = ()
    closed: tuple[date, ...] = ()
