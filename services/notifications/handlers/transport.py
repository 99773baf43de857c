"""The way home: confirmed by the patient, an escort or the staff, or missing at the cut-off."""

from typing import Literal
from uuid import UUID

from services.notifications.handlers.planning import CUT_OFF, occurrence, replan
from services.notifications.handlers.reaching import known
from services.notifications.handlers.saying import Say, say
from services.notifications.repository import questions, visits
from services.notifications.rows import VisitRow
from shared.contracts.notifications import TransportConfirmed, TransportMissing
from shared.tasks import close_task, raise_task
from shared.timers import Timer, cancel_timers
from shared.uow import UnitOfWork

By = Literal["patient", "escort", "staff"]
LONGEST_NAME = 120


async def confirm(uow: UnitOfWork, visit: VisitRow, *, escort: str | None, by: By) -> bool:
    """Somebody takes them home. Closes what waited for it; False when nothing new was said."""
    patient = await known(uow, visit.patient_id)
    current = await visits.find(uow.conn, visit.id, lock=True)
    if current is None or current.state != "ahead":
        return False
    box = await uow.keys.box(patient.id)
    name = escort.strip()[:LONGEST_NAME] if escort and escort.strip() else None
    had = box.open(current.escort) if current.escort else None
    if current.transport == "confirmed" and name in (None, had):
        return False
    sealed = box.seal(name) if name else None
    await visits.set_transport(uow.conn, visit.id, "confirmed", sealed)
    await cancel_timers(uow, subject=patient.id, kind=CUT_OFF, occurrence=str(visit.id))
    await questions.close_of_visit(uow.conn, visit.id, at=uow.now, meaning="yes")
    uow.publish(
        TransportConfirmed(
            patient_id=patient.id,
            appointment_id=visit.id,
            escort=sealed or current.escort,
            by=by,
            confirmed_at=uow.now,
        )
    )
    for kind in ("transport-missing", "transport-help"):
        await close_task(uow, kind=kind, subject=patient.id, occurrence=str(visit.id), outcome="confirmed")
    confirmed = await visits.find(uow.conn, visit.id)
    assert confirmed is not None
    await replan(uow, patient, confirmed)
    return True


async def nobody_yet(uow: UnitOfWork, visit: VisitRow) -> None:
    """The patient has nobody: a person helps, before the cut-off where that is possible."""
    await raise_task(
        uow,
        kind="transport-help",
        subject=visit.patient_id,
        occurrence=str(visit.id),
        role="front_desk",
        patient_id=visit.patient_id,
        deadline=min(visit.starts_at, uow.clinic.answer_due(uow.now)),
        detail="They have nobody yet who takes them home. Please call and help.",
        appointment_id=visit.id,
    )


async def call_missing(uow: UnitOfWork, timer: Timer) -> None:
    """The cut-off: without an answer the session is held, a person calls, and the patient is told."""
    patient = await known(uow, timer.subject)
    visit = await visits.find(uow.conn, UUID(timer.occurrence), lock=True)
    if visit is None or visit.state != "ahead" or visit.transport != "open" or patient.erased:
        return
    await visits.set_transport(uow.conn, visit.id, "missing", None)
    uow.publish(
        TransportMissing(
            patient_id=patient.id, appointment_id=visit.id, starts_at=visit.starts_at, cut_off_at=timer.due_at
        )
    )
    await raise_task(
        uow,
        kind="transport-missing",
        subject=patient.id,
        occurrence=str(visit.id),
        role="front_desk",
        patient_id=patient.id,
        deadline=visit.starts_at,
        detail="Nobody is known who takes them home. The session is held until somebody is: please call.",
        appointment_id=visit.id,
    )
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
