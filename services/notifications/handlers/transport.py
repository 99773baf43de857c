"""The way home: confirmed by the patient, an escort or the staff, or missing at the cut-off."""

from datetime import timedelta
from typing import Literal
from uuid import UUID

from services.notifications.handlers import escorts
from services.notifications.handlers.calling import HELP, asking, call_about_ride, raise_about_ride
from services.notifications.handlers.planning import CUT_OFF, occurrence, replan
from services.notifications.handlers.reaching import known
from services.notifications.handlers.saying import Say, say
from services.notifications.repository import questions, visits
from services.notifications.rows import Patient, VisitRow
from shared.contracts.notifications import TransportConfirmed, TransportMissing
from shared.security.sealing import Box
from shared.tasks import close_tasks
from shared.timers import Timer, cancel_timers
from shared.uow import UnitOfWork

By = Literal["patient", "escort", "staff"]
LONGEST_NAME = 120
URGENT = timedelta(hours=24)
"""A ride that falls away this near to the visit is told at any hour."""
MISSING, DECLINED = "transport-missing", "escort-declined"
TASKS = (MISSING, HELP, DECLINED)


async def confirm(uow: UnitOfWork, visit: VisitRow, *, escort: str | None, by: By, phone: str | None = None) -> bool:
    """Somebody takes them home, by the patient's or the staff's word. False when nothing new was said.

    Of a visit that moved within its day the ride is known still; the same word again is news: it is of the new hour.

    `phone` (E.164) is given where the escort may be texted their link.
    """
    patient = await known(uow, visit.patient_id)
    current = await visits.find(uow.conn, visit.id, lock=True)
    if current is None or current.state != "ahead":
        return False
    box = await uow.keys.box(patient.id)
    name = escort.strip()[:LONGEST_NAME] if escort and escort.strip() else None
    had = box.open(current.escort) if current.escort else None
    if current.ride_known and name in (None, had):
        await _reach(uow, current, box, phone)
        return False
    sealed = box.seal(name) if name else None
    await visits.set_transport(uow.conn, visit.id, "confirmed", sealed)
    await _confirmed(uow, patient, current, by=by, escort=sealed or current.escort)
    if current.escort_link is None or name not in (None, had):
        await escorts.name(uow, current, phone)
    else:
        await _reach(uow, current, box, phone)
    return True


async def _reach(uow: UnitOfWork, visit: VisitRow, box: Box, phone: str | None) -> None:
    """The escort whom we know already has this number, which may be new."""
    if phone and phone != (box.open(visit.escort_phone) if visit.escort_phone else None):
        await escorts.text_to(uow, visit, phone)


async def accept(uow: UnitOfWork, visit: VisitRow, *, phone: str | None) -> None:
    """The escort's own yes, over their link. `phone` (E.164) is where they are reached that day."""
    patient = await known(uow, visit.patient_id)
    current = await visits.find(uow.conn, visit.id, lock=True)
    if current is None or not expected(current, visit.escort_round, uow):
        return
    if phone:
        await visits.set_escort_phone(uow.conn, visit.id, (await uow.keys.box(patient.id)).seal(phone))
    if current.escort_said == "yes":
        return
    await visits.set_transport(uow.conn, visit.id, "confirmed", None)
    await visits.set_escort_said(uow.conn, visit.id, "yes")
    await _confirmed(uow, patient, current, by="escort", escort=current.escort)


async def decline(uow: UnitOfWork, visit: VisitRow) -> None:
    """The escort can't: the session is held, a person calls, and the patient is asked again."""
    patient = await known(uow, visit.patient_id)
    current = await visits.find(uow.conn, visit.id, lock=True)
    if current is None or not expected(current, visit.escort_round, uow):
        return
    after = await _fell_through(uow, patient, current)
    detail = "Who was to take them home can't. The session is held: please call."
    await raise_about_ride(uow, after, DECLINED, detail, after.starts_at)
    await replan(uow, patient, after)
    await say(
        uow,
        patient,
        Say(
            kind="escort_declined",
            occurrence=asking(after),
            visit_id=visit.id,
            visits=(visit.id,),
            exempt=after.starts_at - uow.now < URGENT,
            asks="transport",
            until=after.starts_at,
        ),
    )


def expected(visit: VisitRow, round_: int, uow: UnitOfWork) -> bool:
    """Whether the one who was named in that round is still the one who comes."""
    return visit.state == "ahead" and visit.escort_round == round_ and visit.ends_at > uow.now


async def settle(uow: UnitOfWork, visit: VisitRow, outcome: str) -> None:
    """Nobody needs to call about this ride any more, whichever hour or person it was asked for."""
    for kind in TASKS:
        await close_tasks(uow, kind=kind, subject=visit.patient_id, beginning=str(visit.id), outcome=outcome)


async def ask_again(uow: UnitOfWork, visit: VisitRow) -> None:
    """At another hour of its day nobody is known either: scheduling's hold was for the old one, so it is said anew."""
    await visits.set_transport(uow.conn, visit.id, "open", None)
    await settle(uow, visit, "rescheduled")


async def _confirmed(uow: UnitOfWork, patient: Patient, visit: VisitRow, *, by: By, escort: str | None) -> None:
    await cancel_timers(uow, subject=patient.id, kind=CUT_OFF, occurrence=str(visit.id))
    await questions.close_of_visit(uow.conn, visit.id, at=uow.now, meaning="yes")
    uow.publish(
        TransportConfirmed(
            patient_id=patient.id,
            appointment_id=visit.id,
            starts_at=visit.starts_at,
            escort=escort,
            by=by,
            confirmed_at=uow.now,
        )
    )
    await settle(uow, visit, "confirmed")
    confirmed = await visits.find(uow.conn, visit.id)
    assert confirmed is not None
    await replan(uow, patient, confirmed)


async def nobody_yet(uow: UnitOfWork, visit: VisitRow) -> None:
    """The patient has nobody: a person helps, before the cut-off where that is possible.

    Where somebody was confirmed, this is the later word: the session is held.
    """
    patient = await known(uow, visit.patient_id)
    current = await visits.find(uow.conn, visit.id, lock=True)
    if current is None or current.state != "ahead":
        return
    if current.transport == "confirmed":
        current = await _fell_through(uow, patient, current)
        await visits.set_escort_said(uow.conn, visit.id, None)
        await replan(uow, patient, current)
    await call_about_ride(uow, current, "They have nobody yet who takes them home. Please call and help.")


async def _fell_through(uow: UnitOfWork, patient: Patient, visit: VisitRow) -> VisitRow:
    """Who was to take them home does not: the session is held. Returns the visit as it is then."""
    await visits.escort_declined(uow.conn, visit.id)
    after = await visits.find(uow.conn, visit.id)
    assert after is not None
    uow.publish(
        TransportMissing(
            patient_id=patient.id,
            appointment_id=visit.id,
            starts_at=after.starts_at,
            cut_off_at=after.starts_at - timedelta(hours=uow.clinic.transport.cut_off_hours),
        )
    )
    return after


async def call_missing(uow: UnitOfWork, timer: Timer) -> None:
    """The cut-off: without an answer the session is held, a person calls, and the patient is told."""
    patient = await known(uow, timer.subject)
    visit = await visits.find(uow.conn, UUID(timer.occurrence), lock=True)
    if visit is None or visit.state != "ahead" or visit.transport == "missing" or visit.ride_known or patient.erased:
        return
    await visits.set_transport(uow.conn, visit.id, "missing", None)
    uow.publish(
        TransportMissing(
            patient_id=patient.id, appointment_id=visit.id, starts_at=visit.starts_at, cut_off_at=timer.due_at
        )
    )
    detail = "Nobody is known who takes them home. The session is held until somebody is: please call."
    await raise_about_ride(uow, visit, MISSING, detail, visit.starts_at)
    await say(
        uow,
        patient,
        Say(
            kind="transport_missing",
            occurrence=occurrence(visit.id, visit.revision),
            visit_id=visit.id,
            visits=(visit.id,),
            exempt=True,
            asks="transport",
            until=visit.starts_at,
        ),
    )
