"""A first consultation over a patient's own link: booked once, moved or cancelled until the notice period begins."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.scheduling.domain.appointments import Appointment, Mode, State
from services.scheduling.domain.refusals import Refused
from services.scheduling.handlers import changes, consultations
from services.scheduling.repository import calendar
from shared.contracts.scheduling import AppointmentKind
from shared.http import links
from shared.ids import new_id
from shared.uow import UnitOfWork

PURPOSE = "booking"
ACTOR = "patient"
_DIGEST = b"booking-link"


@dataclass(frozen=True, slots=True)
class Shown:
    """Who holds the link, and the consultation that they have; `open` while they may still change it themselves."""

    patient_id: UUID
    key: str
    booked: Appointment | None
    open: bool


async def issue(uow: UnitOfWork, patient_id: UUID) -> tuple[str, datetime] | None:
    """A new link, good for as long as times are offered, and after that for the visit; None for nobody we know."""
    erased = await uow.conn.fetchval(calendar.FIND_PATIENT, patient_id)
    if erased is None or erased:
        return None
    expires_at = uow.now + timedelta(days=2 * uow.clinic.appointments.consultation.offer_days)
    token = await links.issue(
        uow, purpose=PURPOSE, subject=patient_id, expires_at=expires_at, data={"key": new_id().hex}
    )
    return token, expires_at


async def find(uow: UnitOfWork, token: str) -> Shown:
    """What the link shows now: what was booked over it, else the consultation that is ahead.

    Raises:
        NotFound, Gone: it leads nowhere.
    """
    link = await links.find(uow.conn, token, purpose=PURPOSE, now=uow.now)
    key = f"link:{link.data['key']}"
    booked: Appointment | None = None
    if row := await uow.conn.fetchrow(calendar.FIND_REQUEST, ACTOR, key):
        booked = await calendar.find(uow.conn, row["appointment_id"])
    ahead = await _ahead(uow, link.subject)
    booked = booked if booked is not None and booked in ahead else next(iter(ahead), booked)
    return Shown(link.subject, key, booked, booked is not None and _open(uow, booked))


async def book(uow: UnitOfWork, token: str, starts_at: datetime, mode: Mode) -> Appointment:
    """Book this time. The same link never books a second one.

    Raises:
        Taken, TooSoon, Refused: not at this time.
    """
    shown = await find(uow, token)
    if shown.booked is not None:
        return shown.booked
    wanted = consultations.Wanted(shown.patient_id, starts_at, mode, None, "patient", shown.key, _DIGEST)
    return await consultations.book(uow, wanted)


async def move(uow: UnitOfWork, token: str, starts_at: datetime) -> Appointment | None:
    """Move what they have.

    Raises:
        Taken, TooSoon, Refused, IllegalTransition: it stays where it is.
    """
    booked = await _changeable(uow, token)
    if booked.starts_at == starts_at:
        return booked
    # Whoever is free then: the patient chose a time, not a person.
    window = await consultations.free_times(
        uow, booked.mode, starts_at, starts_at + timedelta(minutes=1), None, [], booked.id
    )
    held = f"person:{booked.provider_id}"
    free = [one for offer in window if offer.starts_at == starts_at for one in offer.providers]
    provider = None if not free or held in free else free[0].partition(":")[2]
    return await changes.reschedule(uow, booked.id, changes.Wanted(starts_at, "patient", provider))


async def cancel(uow: UnitOfWork, token: str) -> Appointment | None:
    """Cancel what they have.

    Raises:
        Refused: too late for that over a link. IllegalTransition: it is over.
    """
    booked = await _changeable(uow, token)
    return await changes.cancel(uow, booked.id, reason="patient", note=None)


async def _changeable(uow: UnitOfWork, token: str) -> Appointment:
    shown = await find(uow, token)
    if shown.booked is None or not shown.open:
        raise Refused("too-late")
    return shown.booked


async def _ahead(uow: UnitOfWork, patient_id: UUID) -> list[Appointment]:
    patients = await calendar.family(uow.conn, patient_id)
    every = await calendar.many(uow.conn, calendar.OF_PATIENTS, patients)
    return [
        one
        for one in every
        if one.kind is AppointmentKind.CONSULTATION and one.state is State.BOOKED and one.ends_at > uow.now
    ]


def _open(uow: UnitOfWork, booked: Appointment) -> bool:
    notice = timedelta(hours=uow.clinic.course.cancellation_notice_hours)
    return booked.state is State.BOOKED and uow.now <= booked.starts_at - notice
