"""The clinic as a planner sees it: who and what is free when, and which appointments could take place."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.scheduling.domain.sessions import (
    Shape,
    Slot,
    moments,
    monitor_span,
    patient_span,
    prescriber_spans,
    room_span,
)
from services.scheduling.domain.spans import Span, Spans, covers

Free = Mapping[str, Spans]
"""Free time by resource id, in order of preference."""


@dataclass(frozen=True, slots=True)
class Site:
    """Everything an appointment could take. `leads` are the providers of consultations, the prescribers of sessions.

    `airway` is when somebody airway-trained is in the house, booked or not; None where the policy does not ask for it.
    """

    opening: Spans
    patient: Spans
    rooms: Free
    leads: Free
    monitors: Free
    airway: Free | None = None


def starts(opening: Spans, length: timedelta, first: datetime, last: datetime, step: timedelta) -> Iterator[datetime]:
    """Starting times on the grid from `first` to before `last`, so that `length` fits into the opening.

    The grid counts elapsed time from the moment of opening: a day on which the clocks change has no gap or echo.
    """
    for span in opening:
        at = span.start
        if at < first:
            at += -(-(first - at) // step) * step
        while at < last and at + length <= span.end:
            yield at
            at += step


def slots(site: Site, shape: Shape, *, first: datetime, last: datetime, step: timedelta) -> Iterator[Slot]:
    """Every session that could begin from `first` to before `last`, in order of time, with the preferred resources."""
    for starts_at in starts(site.opening, timedelta(minutes=shape.block), first, last, step):
        slot = slot_at(site, shape, starts_at)
        if slot is not None:
            yield slot


def slot_at(site: Site, shape: Shape, starts_at: datetime) -> Slot | None:
    """The session at exactly this time, or None where something that it needs is taken or closed."""
    at = moments(shape, starts_at)
    if not covers(site.opening, room_span(at)) or not covers(site.patient, patient_span(at)):
        return None
    watch = (monitor_span(at),)
    if site.airway is not None and first_free(site.airway, watch) is None:
        return None
    room = first_free(site.rooms, (room_span(at),))
    if room is None:
        return None
    examine = prescriber_spans(shape, at)
    for prescriber in all_free(site.leads, examine):
        monitor = next((one for one in all_free(site.monitors, watch) if one != prescriber), None)
        if monitor is not None:
            return Slot(at, room, monitor, prescriber)
    return None


def all_free(resources: Free, spans: tuple[Span, ...]) -> Iterator[str]:
    """Those of `resources` that are free for all of `spans`."""
    return (one for one, free in resources.items() if all(covers(free, span) for span in spans))


def first_free(resources: Free, spans: tuple[Span, ...]) -> str | None:
    """The first of `resources` that is free for all of `spans`."""
    return next(all_free(resources, spans), None)
