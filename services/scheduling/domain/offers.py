"""Open times for a consultation: who could see the patient when, and in which room."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.scheduling.domain.sessions import Need
from services.scheduling.domain.site import Site, all_free, first_free, starts
from services.scheduling.domain.spans import Span, covers


@dataclass(frozen=True, slots=True)
class Visit:
    """How long a consultation takes, in minutes; the buffer after it is the provider's and the room's."""

    minutes: int
    buffer: int
    in_room: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """One time, with everybody who is free then (resource ids, the preferred first) and the room, where needed."""

    starts_at: datetime
    ends_at: datetime
    providers: tuple[str, ...]
    room: str | None


def offers(site: Site, visit: Visit, *, first: datetime, last: datetime, step: timedelta) -> Iterator[Offer]:
    """Every time from `first` to before `last` at which at least one provider is free."""
    for starts_at in starts(site.opening, _held(visit), first, last, step):
        offer = offer_at(site, visit, starts_at)
        if offer is not None:
            yield offer


def offer_at(site: Site, visit: Visit, starts_at: datetime) -> Offer | None:
    """The offer at exactly this time, or None."""
    seen = Span(starts_at, starts_at + timedelta(minutes=visit.minutes))
    held = (Span(starts_at, starts_at + _held(visit)),)
    if not covers(site.opening, held[0]) or not covers(site.patient, seen):
        return None
    providers = tuple(all_free(site.leads, held))
    room = first_free(site.rooms, held) if visit.in_room else None
    if not providers or (visit.in_room and room is None):
        return None
    return Offer(starts_at, seen.end, providers, room)


def needs(visit: Visit, starts_at: datetime, provider: str, room: str | None) -> Iterator[Need]:
    """Everything but the patient."""
    held = Span(starts_at, starts_at + _held(visit))
    yield Need(provider, held)
    if room is not None:
        yield Need(room, held)


def _held(visit: Visit) -> timedelta:
    return timedelta(minutes=visit.minutes + visit.buffer)
