"""What we promise to whoever writes: an honest time, from the clinic's own hours."""

from dataclasses import dataclass
from datetime import datetime

from shared.clinic.model import Clinic


@dataclass(frozen=True, slots=True)
class Promise:
    """`due` is when a contact of now is answered at the latest.

    While the clinic is open for long enough `until` is when it closes and `next_due` when a contact after that is
    answered; else both are None. `minutes` is how long an answer takes while it is open.
    """

    due: datetime
    minutes: int
    until: datetime | None = None
    next_due: datetime | None = None


def promise(clinic: Clinic, now: datetime) -> Promise:
    """What the form says, for a reader at `now`."""
    due, closing = clinic.answer_due(now), clinic.hours.closing(now)
    minutes = clinic.contact.answer_minutes_open
    if closing is None or due > closing:
        return Promise(due, minutes)
    return Promise(due, minutes, closing, clinic.answer_due(closing))
