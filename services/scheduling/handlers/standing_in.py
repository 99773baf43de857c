"""Who could take over whose part of an appointment, at its own time."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

from services.scheduling.domain import house, offers
from services.scheduling.domain.appointments import Appointment
from services.scheduling.domain.sessions import moments, monitor_span, prescriber_spans
from services.scheduling.domain.site import Free, slot_at
from services.scheduling.domain.spans import Span, Spans, overlap
from services.scheduling.handlers import changes
from services.scheduling.repository import calendar
from services.scheduling.repository.calendar import Ledger
from shared.clinic.people import Person
from shared.uow import UnitOfWork

Standing = Literal["free", "booked", "away", "off"]


@dataclass(frozen=True, slots=True)
class StandIn:
    """Somebody who may do it. "off": they don't work then, or something else that it needs can't be had with them."""

    person_id: str
    standing: Standing


@dataclass(frozen=True, slots=True)
class Part:
    """What one person does in an appointment, whether they are away then, and who else may do it, the free first."""

    part: Literal["provider", "monitor"]
    person_id: str
    away: bool
    others: tuple[StandIn, ...]


@dataclass(frozen=True, slots=True)
class _Look:
    """At one appointment: what is taken then, and how to see whether it could take place with these people."""

    uow: UnitOfWork
    ledger: Ledger
    day: date

    def part(
        self,
        part: Literal["provider", "monitor"],
        person_id: str,
        spans: tuple[Span, ...],
        who: Free,
        works: Callable[[Free], bool],
        may: Callable[[Person, date], bool],
    ) -> Part:
        others = [
            StandIn(one, "free" if works({resource: free}) else self.why_not(resource, spans))
            for resource, free in who.items()
            if (one := house.plain(resource)) != person_id and may(self.uow.clinic.person(one), self.day)
        ]
        others.sort(key=lambda it: it.standing != "free")
        return Part(part, person_id, self.away(house.person_id(person_id), spans), tuple(others))

    def away(self, resource: str, spans: tuple[Span, ...]) -> bool:
        return _touches(self.ledger.away.get(resource, ()), spans)

    def why_not(self, resource: str, spans: tuple[Span, ...]) -> Standing:
        if self.away(resource, spans):
            return "away"
        return "booked" if _touches(self.ledger.taken.get(resource, ()), spans) else "off"


async def stand_ins(uow: UnitOfWork, found: Appointment) -> list[Part]:
    """Everybody who may do it that day, and who of them can.

    Raises:
        Refused: a session whose approval holds no longer.
    """
    patients = await calendar.family(uow.conn, found.patient_id)
    window = house.Window(found.starts_at, found.starts_at + timedelta(days=1))
    resources = [*house.resources(uow.clinic), *(house.patient_id(one) for one in patients)]
    ledger = await calendar.ledger(uow.conn, resources, window.start, window.end, found.id)
    look = _Look(uow, ledger, found.starts_at.astimezone(uow.clinic.tz).date())
    if found.session is None:
        visit = house.visit_of(uow.clinic, found.mode)
        talk = house.consultation_site(uow.clinic, window, ledger.taken, patients=patients)
        held = Span(found.starts_at, found.starts_at + timedelta(minutes=visit.minutes + visit.buffer))

        def talks(leads: Free) -> bool:
            return offers.offer_at(replace(talk, leads=leads), visit, found.starts_at) is not None

        return [look.part("provider", found.provider_id, (held,), talk.leads, talks, Person.licensed_on)]
    session, shape = await changes.require_approved(uow, found)
    site = await changes.site_of(uow, found, session, window.start, window.end, patients)
    at = moments(shape, found.starts_at)

    def leads_it(leads: Free) -> bool:
        return slot_at(replace(site, leads=leads), shape, found.starts_at) is not None

    def watches(monitors: Free) -> bool:
        return slot_at(replace(site, monitors=monitors), shape, found.starts_at) is not None

    spans, watch = prescriber_spans(shape, at), (monitor_span(at),)
    parts = [look.part("provider", found.provider_id, spans, site.leads, leads_it, Person.prescribes_on)]
    if found.monitor_id is not None:
        parts.append(look.part("monitor", found.monitor_id, watch, site.monitors, watches, _always))
    return parts


def _touches(taken: Spans, spans: tuple[Span, ...]) -> bool:
    return any(overlap(one, span) for one in taken for span in spans)


def _always(_person: Person, _day: date) -> bool:
    return True
