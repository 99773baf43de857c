"""The day of a session: the gates as they stand, check-in, dose, discharge, and signing past a gate."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from uuid import UUID

from services.scheduling.domain import appointments, gates, house
from services.scheduling.domain.appointments import Appointment, Session, State
from services.scheduling.domain.gates import Due, Facts, Gate, Reading, Standing
from services.scheduling.domain.refusals import GatesClosed, Refused
from services.scheduling.handlers import late
from services.scheduling.repository import calendar, day
from services.scheduling.repository.day import SessionDay, Signed
from shared.audit import audit
from shared.contracts.base import Source
from shared.inbox.hearing import heard_within
from shared.uow import UnitOfWork

FRESH_SECONDS = 5.0
"""How old news of another service may be before a gate says "not now"."""
ASKED: tuple[Source, ...] = ("assessment", "notifications")


@dataclass(frozen=True, slots=True)
class Standings:
    """A session on its day. Before the dose the gates are those of the dose, afterwards those of going home."""

    appointment: Appointment
    session: Session
    day: SessionDay | None
    gates: tuple[Gate, ...]
    readings: tuple[Reading, ...]
    due: tuple[Due, ...]
    signed: tuple[Signed, ...]
    watched_until: datetime | None


async def stand(uow: UnitOfWork, appointment_id: UUID) -> Standings | None:
    """How everything stands; None when there is no such appointment.

    Raises:
        Refused: it is no session, or the clinic gave up its route.
    """
    found = await calendar.find(uow.conn, appointment_id)
    return None if found is None else await _stand(uow, found)


async def check_in(uow: UnitOfWork, appointment_id: UUID, attested: frozenset[str]) -> Standings | None:
    """The patient is here. `attested` is what staff asked them now; asked again later, it is added.

    Raises:
        GatesClosed: what must hold at the door doesn't. Refused: it is for another day. IllegalTransition: it is over.
    """
    found = await _held(uow, appointment_id)
    if found is None:
        return None
    if found.state is State.CHECKED_IN:
        await uow.conn.execute(day.ATTEST, found.id, sorted(attested))
        return await _stand(uow, found)
    if not _same_day(uow, found):
        raise Refused("not-today")
    standing = await _stand(uow, found, attested=attested)
    if closed := gates.at_the_door(standing.gates):
        raise GatesClosed(closed)
    here, event = appointments.check_in(
        found,
        now=uow.now,
        gates=tuple(gate.code for gate in standing.gates if not gate.passed),
        overridden=_overridden(standing.gates),
    )
    await calendar.save(uow.conn, here)
    await uow.conn.execute(day.BEGIN, found.id, uow.now, sorted(attested))
    uow.publish(event)
    return await _stand(uow, here)


async def dose(uow: UnitOfWork, appointment_id: UUID, prescriber_id: str) -> Standings | None:
    """The medicine was given by this prescriber, now.

    Raises:
        GatesClosed: a gate doesn't hold. Refused: this person may not prescribe today, or the patient came on another
            day: what was asked and measured then says nothing of today. IllegalTransition: see there.
    """
    found = await _held(uow, appointment_id)
    if found is None:
        return None
    if not uow.clinic.person(prescriber_id).prescribes_on(uow.now.astimezone(uow.clinic.tz).date()):
        raise Refused("no-prescriber")
    if not _same_day(uow, found):
        raise Refused("not-today")
    given, event = appointments.dose(found, now=uow.now, prescriber_id=prescriber_id, overridden=())
    standing = await _stand(uow, found)
    if closed := [gate for gate in standing.gates if not gate.passed]:
        raise GatesClosed(closed)
    await calendar.save(uow.conn, given)
    await uow.conn.execute(day.DOSE, found.id, uow.now, prescriber_id)
    uow.publish(event.model_copy(update={"overridden": _overridden(standing.gates)}))
    shape = house.shape_of(uow.clinic, standing.session.route)
    if shape is not None:
        await late.given(uow, given, standing.session, shape)
    return await _stand(uow, given)


async def discharge(uow: UnitOfWork, appointment_id: UUID, *, escort_present: bool) -> Standings | None:
    """The patient goes home, with whoever came for them.

    Raises:
        GatesClosed: the observation is not over, or nobody came. IllegalTransition: nothing was given.
    """
    found = await _held(uow, appointment_id)
    if found is None:
        return None
    gone, event = appointments.complete(found, now=uow.now, escort_present=escort_present)
    standing = await _stand(uow, found, escort_present=escort_present)
    if closed := [gate for gate in standing.gates if not gate.passed]:
        raise GatesClosed(closed)
    await calendar.save(uow.conn, gone)
    await uow.conn.execute(day.END, found.id, uow.now, escort_present)
    uow.publish(event)
    return await _stand(uow, gone)


async def sign_past(uow: UnitOfWork, appointment_id: UUID, code: str, reason: str, staff_id: str) -> Standings | None:
    """A provider signs past one gate as it stands now; another reason or another reading needs another signature.

    Raises:
        Refused: no licence today, or nothing there to sign past.
    """
    found = await _held(uow, appointment_id)
    if found is None:
        return None
    person = uow.clinic.person(staff_id)
    if person.licence is None or not person.licensed_on(uow.now.astimezone(uow.clinic.tz).date()):
        raise Refused("no-licence")
    standing = await _stand(uow, found)
    gate = next((one for one in standing.gates if one.code == code), None)
    if gate is None or not gate.may_sign or gate.standing is not Standing.OPEN:
        raise Refused("not-to-sign")
    sealed = (await uow.keys.box(found.patient_id)).seal(reason)
    await day.sign(uow.conn, found, gate, staff_id, person.licence.number, sealed, uow.now)
    detail = {"appointment": str(found.id), "gate": code, "because": gate.because, "reason": sealed}
    await audit(uow, action="override", what="gate", subject=found.patient_id, detail=detail)
    return await _stand(uow, found)


async def _held(uow: UnitOfWork, appointment_id: UUID) -> Appointment | None:
    """The appointment, locked in the order in which a revocation locks: approval, then appointment."""
    found = await calendar.find(uow.conn, appointment_id)
    if found is not None and found.session is not None:
        await calendar.approval(uow.conn, found.session.approval_id, lock=True)
    return await calendar.find(uow.conn, appointment_id, lock=True)


async def _stand(
    uow: UnitOfWork, found: Appointment, *, attested: frozenset[str] = frozenset(), escort_present: bool = False
) -> Standings:
    session = found.session
    if session is None:
        raise Refused("no-session")
    shape = house.shape_of(uow.clinic, session.route)
    if shape is None:
        raise Refused("route-not-offered")
    watched = timedelta(minutes=shape.watched)
    so_far = await day.day(uow.conn, found.id)
    signed = await day.signed(uow.conn, found)
    facts = await _facts(uow, found, session, so_far, signed, attested, escort_present)
    policy, limits = uow.clinic.gates, uow.clinic.vitals
    if facts.dosed_at is None:
        asked = gates.before_dose(policy, limits, facts)
        return Standings(found, session, so_far, asked, facts.readings, (), tuple(signed), None)
    asked = gates.before_discharge(policy, limits, facts, uow.now, watched)
    until = facts.dosed_at + watched
    due = gates.due(limits, facts.dosed_at, until, facts.readings)
    return Standings(found, session, so_far, asked, facts.readings, due, tuple(signed), until)


async def _facts(
    uow: UnitOfWork,
    found: Appointment,
    session: Session,
    so_far: SessionDay | None,
    signed: Iterable[Signed],
    attested: frozenset[str],
    escort_present: bool,
) -> Facts:
    patients = await calendar.family(uow.conn, found.patient_id)
    approval = await calendar.approval(uow.conn, session.approval_id)
    consented = await day.consented(uow.conn, patients, session.route.value)
    unheard = [source for source in ASKED if not await _heard(uow, source, patients)]
    return Facts(
        approved=approval is not None and approval.state == "current" and approval.valid_until > uow.now,
        consented=consented is not None,
        newest_text=consented == uow.clinic.consent.version,
        concern=await day.concern(uow.conn, patients),
        ride=await day.ride(uow.conn, found.id),
        answers=await day.answers(uow.conn, found.id),
        attested=attested | (so_far.attested if so_far else frozenset()),
        readings=await day.readings(uow.conn, found.id, _midnight(uow, found)),
        unheard=frozenset(unheard),
        signed=frozenset((one.gate, one.because, one.evidence) for one in signed),
        dosed_at=so_far.dosed_at if so_far else None,
        escort_present=escort_present,
    )


async def _heard(uow: UnitOfWork, source: Source, patients: list[UUID]) -> bool:
    """Whether nothing that this service said of the patient can be missing here."""
    if await calendar.unheard(uow.conn, patients, source):
        return False
    return await heard_within(uow.conn, source, patients, FRESH_SECONDS)


def _midnight(uow: UnitOfWork, found: Appointment) -> datetime:
    """When the session's day begins."""
    tz = uow.clinic.tz
    return datetime.combine(found.starts_at.astimezone(tz).date(), time(), tz)


def _same_day(uow: UnitOfWork, found: Appointment) -> bool:
    tz = uow.clinic.tz
    return found.starts_at.astimezone(tz).date() == uow.now.astimezone(tz).date()


def _overridden(standing: Iterable[Gate]) -> tuple[str, ...]:
    return tuple(gate.code for gate in standing if gate.standing is Standing.SIGNED)
