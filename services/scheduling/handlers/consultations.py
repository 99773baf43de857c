"""Booking a consultation, and the times at which one could be booked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from services.scheduling.domain import house, offers
from services.scheduling.domain.appointments import Appointment, BookedBy, Mode, State, consultation_scheduled
from services.scheduling.domain.refusals import Refused, Taken, TooSoon
from services.scheduling.domain.sessions import Need
from services.scheduling.domain.site import Site, all_free
from services.scheduling.domain.spans import Span
from services.scheduling.repository import calendar as repository
from shared.contracts.scheduling import AppointmentKind
from shared.ids import new_id
from shared.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class Wanted:
    """A consultation as it was asked for. Without `provider_id` whoever is free. `key` makes a repetition harmless."""

    patient_id: UUID
    starts_at: datetime
    mode: Mode
    provider_id: str | None
    booked_by: BookedBy
    key: str | None = None
    digest: bytes = b""


async def book(uow: UnitOfWork, wanted: Wanted) -> Appointment:
    """Book it: provider, room and patient together, or nothing.

    Raises:
        Taken, TooSoon, Refused: not at this time. KeyMissing, KeyErased: nobody to book it for.
    """
    booked_id = new_id()
    earlier = await _claim(uow, wanted, booked_id)
    if earlier is not None:
        return earlier
    await uow.keys.find(wanted.patient_id)
    require_notice(uow, wanted.starts_at)
    patients = await repository.family(uow.conn, wanted.patient_id)
    offer = await choose(uow, wanted.mode, wanted.starts_at, wanted.provider_id, patients)
    booked = Appointment(
        id=booked_id,
        patient_id=wanted.patient_id,
        kind=AppointmentKind.CONSULTATION,
        state=State.BOOKED,
        starts_at=offer.starts_at,
        ends_at=offer.ends_at,
        zone=uow.clinic.zone,
        provider_id=house.plain(offer.providers[0]),
        room_id=offer.room and house.plain(offer.room),
        monitor_id=None,
        mode=wanted.mode,
        booked_by=wanted.booked_by,
        revision=0,
        policy_hash=uow.clinic.hash,
    )
    await take(uow, booked, offer, patients)
    await repository.add(uow.conn, [booked])
    uow.publish(consultation_scheduled(booked))
    return booked


async def take(uow: UnitOfWork, booked: Appointment, offer: offers.Offer, patients: Sequence[UUID]) -> None:
    """Take what the consultation needs.

    Raises:
        Taken: somebody was faster.
    """
    visit = house.visit_of(uow.clinic, booked.mode)
    needs = [*offers.needs(visit, offer.starts_at, offer.providers[0], offer.room)]
    needs += [Need(house.patient_id(one), Span(offer.starts_at, offer.ends_at)) for one in patients]
    lost = await repository.book(uow.conn, [(booked.id, need) for need in needs])
    if lost:
        raise Taken(lost, raced=True)


async def choose(
    uow: UnitOfWork,
    mode: Mode,
    starts_at: datetime,
    provider_id: str | None,
    patients: Sequence[UUID],
    *,
    room: str | None = None,
) -> offers.Offer:
    """Who and which room at exactly this time; `room` is taken where it is free.

    Raises:
        Taken: it would be possible if something were not taken. Refused: it never is.
    """
    if mode not in uow.clinic.appointments.consultation.modes:
        raise Refused("mode-not-offered")
    visit = house.visit_of(uow.clinic, mode)
    window = house.Window(starts_at, starts_at + timedelta(days=1))
    resources = [*house.resources(uow.clinic), *(house.patient_id(one) for one in patients)]
    ledger = await repository.ledger(uow.conn, resources, window.start, window.end)
    site = house.consultation_site(uow.clinic, window, ledger.taken, provider=provider_id, patients=patients)
    site = replace(site, rooms=house.preferring(site.rooms, house.room_id(room or "")))
    offer = offers.offer_at(site, visit, starts_at)
    if offer is not None:
        return offer
    empty = house.consultation_site(uow.clinic, window, {}, provider=provider_id, patients=patients)
    if offers.offer_at(empty, visit, starts_at) is None:
        raise Refused("closed")
    raise Taken(_in_the_way(site, empty, visit, starts_at, patients))


async def free_times(
    uow: UnitOfWork,
    mode: Mode,
    first: datetime,
    last: datetime,
    provider_id: str | None,
    patients: Sequence[UUID] = (),
    but: UUID | None = None,
) -> list[offers.Offer]:
    """The times that may be offered from `first` to before `last`, with the notice that the policy asks for.

    `but` is an appointment that is to move: what it takes is free for it.
    """
    visit = house.visit_of(uow.clinic, mode)
    window = house.Window(first, last)
    resources = [*house.resources(uow.clinic), *(house.patient_id(one) for one in patients)]
    ledger = await repository.ledger(uow.conn, resources, first, last + timedelta(days=1), but)
    site = house.consultation_site(uow.clinic, window, ledger.taken, provider=provider_id, patients=patients)
    step = timedelta(minutes=uow.clinic.appointments.consultation.step_minutes)
    return list(offers.offers(site, visit, first=max(first, earliest(uow)), last=last, step=step))


def earliest(uow: UnitOfWork) -> datetime:
    """The first moment for which a consultation may still be booked."""
    return uow.now + timedelta(hours=uow.clinic.appointments.consultation.earliest_notice_hours)


def require_notice(uow: UnitOfWork, starts_at: datetime) -> None:
    """Raises TooSoon where the policy asks for more notice."""
    if starts_at < earliest(uow):
        raise TooSoon(earliest(uow))


def _in_the_way(
    site: Site, empty: Site, visit: offers.Visit, starts_at: datetime, patients: Sequence[UUID]
) -> list[Need]:
    """What is taken then, of those that would have done; the patient, where it would take place without them."""
    if offers.offer_at(replace(site, patient=empty.patient), visit, starts_at) is not None:
        return [Need(house.patient_id(one), Span(starts_at, starts_at)) for one in patients[:1]]
    held = Span(starts_at, starts_at + timedelta(minutes=visit.minutes + visit.buffer))
    free = {*all_free(site.leads, (held,)), *all_free(site.rooms, (held,))}
    fit = [*all_free(empty.leads, (held,)), *(all_free(empty.rooms, (held,)) if visit.in_room else ())]
    taken = [Need(resource, held) for resource in fit if resource not in free]
    return taken or [Need(house.patient_id(one), held) for one in patients[:1]]


async def _claim(uow: UnitOfWork, wanted: Wanted, booked_id: UUID) -> Appointment | None:
    """The appointment that an earlier request with the same key got.

    Raises:
        Refused: the key was used for another request.
    """
    if wanted.key is None:
        return None
    earlier = await repository.claim(uow.conn, uow.actor, wanted.key, wanted.digest, booked_id)
    if earlier is None:
        return None
    digest, appointment_id = earlier
    if digest != wanted.digest:
        raise Refused("key-reused")
    return await repository.find(uow.conn, appointment_id)
