"""What one session is made of: its moments and what is taken for how long."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.scheduling.domain.spans import Span


@dataclass(frozen=True, slots=True)
class Shape:
    """The lengths of one route's session, in whole minutes."""

    check_in: int
    """Vitals and preparation; the dose comes after it."""
    watched: int
    """From dose to the end of the observation."""
    discharge: int
    turnover: int
    """The room is made ready for the next patient."""
    prescriber_before: int
    prescriber_after: int
    """Around the dose."""
    prescriber_discharge: int
    """From the end of the observation."""

    @property
    def block(self) -> int:
        """How long the room is taken."""
        return self.check_in + self.watched + self.discharge + self.turnover


@dataclass(frozen=True, slots=True)
class Moments:
    """The moments of one session, in UTC. `ends_at` is the earliest way home."""

    starts_at: datetime
    dose_at: datetime
    discharge_at: datetime
    ends_at: datetime
    room_until: datetime


def moments(shape: Shape, starts_at: datetime) -> Moments:
    """The session that begins (check-in) at `starts_at`."""
    dose_at = starts_at + timedelta(minutes=shape.check_in)
    discharge_at = dose_at + timedelta(minutes=shape.watched)
    ends_at = discharge_at + timedelta(minutes=shape.discharge)
    return Moments(starts_at, dose_at, discharge_at, ends_at, ends_at + timedelta(minutes=shape.turnover))


def room_span(at: Moments) -> Span:
    """The room: the whole block."""
    return Span(at.starts_at, at.room_until)


def monitor_span(at: Moments) -> Span:
    """The monitor, one for one patient: from dose to the way home."""
    return Span(at.dose_at, at.ends_at)


def prescriber_spans(shape: Shape, at: Moments) -> tuple[Span, ...]:
    """The prescriber: around the dose, and at the discharge where the policy wants them there."""
    dosing = Span(
        at.dose_at - timedelta(minutes=shape.prescriber_before), at.dose_at + timedelta(minutes=shape.prescriber_after)
    )
    leaving = Span(at.discharge_at, at.discharge_at + timedelta(minutes=shape.prescriber_discharge))
    return tuple(span for span in (dosing, leaving) if span.start < span.end)


def patient_span(at: Moments) -> Span:
    """The patient: from check-in to the way home."""
    return Span(at.starts_at, at.ends_at)


@dataclass(frozen=True, slots=True)
class Need:
    """A resource and when it is taken. Ids are stable: "room:room-1", "person:osei", "patient:<uuid>"."""

    resource: str
    span: Span


@dataclass(frozen=True, slots=True)
class Slot:
    """A session at a time, with the resources it would take. Resource ids, not clinic ids."""

    at: Moments
    room: str
    monitor: str
    prescriber: str

    def needs(self, shape: Shape) -> Iterator[Need]:
        """Everything but the patient."""
        yield Need(self.room, room_span(self.at))
        yield Need(self.monitor, monitor_span(self.at))
        for span in prescriber_spans(shape, self.at):
            yield Need(self.prescriber, span)
