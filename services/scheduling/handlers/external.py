"""What was booked in another system stands here too, whether or not it suits: what is in its way becomes a task."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from services.scheduling.domain import appointments, house
from services.scheduling.domain.appointments import MOVABLE, Appointment, Mode, Move, State, consultation_scheduled
from services.scheduling.domain.sessions import Need
from services.scheduling.domain.site import first_free
from services.scheduling.domain.spans import Span
from services.scheduling.handlers import changes, clashes, elsewhere
from services.scheduling.handlers.clashes import REASON
from services.scheduling.repository import calendar, external
from shared.contracts.intake import ExternalBookingReceived
from shared.contracts.scheduling import AppointmentKind
from shared.ids import new_id
from shared.tasks import close_task, raise_task
from shared.uow import UnitOfWork

REQUEST = "external-request"


@dataclass(frozen=True, slots=True)
class _Place:
    """Who and where, as clinic ids. `clash` says in words what is in the way."""

    provider_id: str
    room_id: str | None
    mode: Mode
    clash: str


async def follow(uow: UnitOfWork, event: ExternalBookingReceived) -> None:
    """Adopt the booking, or let ours follow what became of theirs."""
    heard = await external.hear(uow.conn, event)
    if heard is None:
        return
    ours = await calendar.find(uow.conn, heard.appointment_id, lock=True) if heard.appointment_id else None
    if ours is not None:
        await elsewhere.heard(uow, ours)
    if ours is not None and ours.patient_id not in await calendar.family(uow.conn, event.patient_id):
        # It was booked for somebody else there, or turned out to be.
        if ours.state in MOVABLE:
            await changes.drop(uow, ours, reason=REASON)
        ours = None
    if event.status == "requested":
        await _request(uow, event)
        return
    await close_task(uow, kind=REQUEST, subject=event.patient_id, occurrence=event.external_id, outcome=event.status)
    if event.status == "booked":
        missed = ours is not None and ours.state is State.NO_SHOW and ours.starts_at != event.starts_at
        if ours is None or ours.state is State.CANCELLED or missed:
            await _adopt(uow, event)
        elif ours.state in MOVABLE and _differs(ours, event):
            await _move(uow, ours, event)
    elif ours is not None and ours.state in MOVABLE:
        await _end(uow, ours, event)


async def _request(uow: UnitOfWork, event: ExternalBookingReceived) -> None:
    local = event.starts_at.astimezone(uow.clinic.tz)
    await raise_task(
        uow,
        kind=REQUEST,
        subject=event.patient_id,
        occurrence=event.external_id,
        role="front_desk",
        patient_id=event.patient_id,
        deadline=event.starts_at,
        detail=f"{event.vendor.title()} waits for a yes or no to {local:%A %d %B, %H:%M}. Answer it there.",
    )


async def _adopt(uow: UnitOfWork, event: ExternalBookingReceived) -> None:
    if event.ends_at <= uow.now:
        return
    booked_id = new_id()
    place = await _take(uow, booked_id, event)
    booked = Appointment(
        id=booked_id,
        patient_id=event.patient_id,
        kind=AppointmentKind.CONSULTATION,
        state=State.BOOKED,
        starts_at=event.starts_at,
        ends_at=event.ends_at,
        zone=uow.clinic.zone,
        provider_id=place.provider_id,
        room_id=place.room_id,
        monitor_id=None,
        mode=place.mode,
        booked_by="external",
        revision=0,
        policy_hash=uow.clinic.hash,
    )
    await calendar.add(uow.conn, [booked])
    await external.stands_for(uow.conn, event, booked_id)
    uow.publish(consultation_scheduled(booked))
    await _say_clash(uow, booked, place)


async def _move(uow: UnitOfWork, ours: Appointment, event: ExternalBookingReceived) -> None:
    await calendar.release(uow.conn, ours.id)
    place = await _take(uow, ours.id, event)
    to = Move(event.starts_at, event.ends_at, place.provider_id, place.room_id)
    moved, said = appointments.reschedule(ours, to, reason=REASON, policy_hash=uow.clinic.hash)
    await calendar.save(uow.conn, moved)
    uow.publish(said)
    await clashes.resolved(uow, ours, "moved")
    await _say_clash(uow, moved, place)


async def _end(uow: UnitOfWork, ours: Appointment, event: ExternalBookingReceived) -> None:
    if event.status == "cancelled":
        await changes.drop(uow, ours, reason=REASON)
    elif event.status == "no-show" and uow.now >= ours.starts_at:
        await changes.no_show(uow, ours.id)
    else:
        await clashes.resolved(uow, ours, event.status)


def _differs(ours: Appointment, event: ExternalBookingReceived) -> bool:
    return (ours.starts_at, ours.ends_at) != (event.starts_at, event.ends_at) or (
        event.provider_ref is not None and event.provider_ref != ours.provider_id
    )


async def _take(uow: UnitOfWork, appointment_id: UUID, event: ExternalBookingReceived) -> _Place:
    """Take whoever it names and a free room, as far as they can be had; the other system has promised it already."""
    span = Span(event.starts_at, event.ends_at)
    window = house.Window(event.starts_at, event.ends_at + timedelta(days=1))
    patients = await calendar.family(uow.conn, event.patient_id)
    resources = [*house.resources(uow.clinic), *(house.patient_id(one) for one in patients)]
    ledger = await calendar.ledger(uow.conn, resources, window.start, window.end, appointment_id)
    site = house.consultation_site(uow.clinic, window, ledger.taken, patients=patients)
    named = event.provider_ref if event.provider_ref in _people(uow) else None
    free = first_free(site.leads, (span,))
    provider = named or (house.plain(free) if free else next(iter(_people(uow))))
    modes = uow.clinic.appointments.consultation.modes
    mode: Mode = "in_person" if "in_person" in modes else modes[0]
    room = first_free(site.rooms, (span,)) if mode == "in_person" else None
    needs = [Need(house.person_id(provider), span), *(Need(house.patient_id(one), span) for one in patients)]
    if room is not None:
        needs.append(Need(room, span))
    lost = await calendar.book(uow.conn, [(appointment_id, need) for need in needs])
    clashes = [_in_words(uow, need) for need in lost]
    if mode == "in_person" and room is None:
        clashes.append("no room is free")
    if event.provider_ref is not None and named is None:
        clashes.append(f"{event.provider_ref} is not in the clinic file")
    return _Place(provider, room and house.plain(room), mode, "; ".join(clashes))


def _people(uow: UnitOfWork) -> tuple[str, ...]:
    """Who could hold a consultation at all, those with a licence today first."""
    today = uow.now.astimezone(uow.clinic.tz).date()
    providers = [one for one in uow.clinic.people if "provider" in one.roles]
    return tuple(one.id for one in sorted(providers, key=lambda one: not one.licensed_on(today)))


def _in_words(uow: UnitOfWork, need: Need) -> str:
    kind, _, plain = need.resource.partition(":")
    if kind == "patient":
        return "they have another appointment then"
    return f"{uow.clinic.person(plain).name if kind == 'person' else uow.clinic.room(plain).name} is taken"


async def _say_clash(uow: UnitOfWork, booked: Appointment, place: _Place) -> None:
    if not place.clash:
        return
    await raise_task(
        uow,
        kind=clashes.CONFLICT,
        subject=booked.patient_id,
        occurrence=clashes.occurrence(booked),
        role="front_desk",
        patient_id=booked.patient_id,
        appointment_id=booked.id,
        deadline=booked.starts_at,
        detail=f"Booked in another system, and it doesn't fit: {place.clash}. Move it, there and here.",
    )
