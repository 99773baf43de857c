"""What a patient says on their page: each item of the preparation by itself, and that something changed."""

from datetime import datetime
from uuid import UUID

from services.notifications.domain.preparation import FASTING
from services.notifications.handlers.reaching import known
from services.notifications.repository import visits
from services.notifications.rows import VisitRow
from shared.contracts.notifications import PREPARATION, PrepConfirmed
from shared.ids import new_id
from shared.tasks import close_task, close_tasks, raise_task
from shared.timers import Timer
from shared.uow import UnitOfWork

BROKEN = "prep-not-kept"
UNANSWERED = "prep-unanswered"
LONGEST_NOTE = 2_000


async def answer(uow: UnitOfWork, visit: VisitRow, item: str, *, ok: bool) -> None:
    """Keep the patient's word. What was not kept goes to a person at once: they decide whether to delay or rebook.

    Raises:
        LookupError: there is no such item.
    """
    if item not in PREPARATION:
        raise LookupError(item)
    patient = await known(uow, visit.patient_id)
    if not await visits.answer(uow.conn, visit.id, item, ok, uow.now):
        return
    uow.publish(
        PrepConfirmed(
            patient_id=patient.id,
            appointment_id=visit.id,
            starts_at=visit.starts_at,
            item=item,
            ok=ok,
            answered_at=uow.now,
        )
    )
    if await _said_of_fasting(uow, visit):
        await settle(uow, visit, "answered")
    if ok:
        beginning = f"{visit.id}:{item}"
        await close_tasks(uow, kind=BROKEN, subject=patient.id, beginning=beginning, outcome="kept-after-all")
        return
    await raise_task(
        uow,
        kind=BROKEN,
        subject=patient.id,
        occurrence=f"{visit.id}:{item}:{new_id().hex[-12:]}",  # a second no, after a yes, is news again
        role="front_desk",
        patient_id=patient.id,
        deadline=_soon(uow, visit),
        detail=f"They could not keep to: {item}. Please call before they leave home.",
        appointment_id=visit.id,
    )


async def call_unanswered(uow: UnitOfWork, timer: Timer) -> None:
    """It is near and they have not said whether they eat and drink as asked: a person calls before they leave home."""
    patient = await known(uow, timer.subject)
    visit = await visits.find(uow.conn, UUID(timer.occurrence), lock=True)
    if visit is None or visit.state != "ahead" or patient.erased or await _said_of_fasting(uow, visit):
        return
    await raise_task(
        uow,
        kind=UNANSWERED,
        subject=patient.id,
        occurrence=f"{visit.id}:{visit.revision}",
        role="front_desk",
        patient_id=patient.id,
        deadline=visit.starts_at,
        detail="They have not said whether they keep to the times for food and drink. Please call and ask.",
        appointment_id=visit.id,
    )


async def settle(uow: UnitOfWork, visit: VisitRow, outcome: str) -> None:
    """Nobody needs to ask how they prepared. `visit` as it was when the call was asked for."""
    await close_task(
        uow, kind=UNANSWERED, subject=visit.patient_id, occurrence=f"{visit.id}:{visit.revision}", outcome=outcome
    )


async def forget(uow: UnitOfWork, visit: VisitRow, outcome: str) -> None:
    """The visit will not be as it was: nobody needs to call about how they prepared for it."""
    patient = await known(uow, visit.patient_id)
    await close_tasks(uow, kind=BROKEN, subject=patient.id, beginning=str(visit.id), outcome=outcome)


async def _said_of_fasting(uow: UnitOfWork, visit: VisitRow) -> bool:
    return set(FASTING) <= set(await visits.answers(uow.conn, visit.id))


async def tell(uow: UnitOfWork, visit: VisitRow, words: str) -> None:
    """Something changed: a person reads it and calls."""
    await known(uow, visit.patient_id)
    await raise_task(
        uow,
        kind="something-changed",
        subject=visit.patient_id,
        occurrence=str(new_id()),
        role="front_desk",
        patient_id=visit.patient_id,
        deadline=_soon(uow, visit),
        detail=words[:LONGEST_NOTE],
        appointment_id=visit.id,
    )


def _soon(uow: UnitOfWork, visit: VisitRow) -> datetime:
    due = uow.clinic.answer_due(uow.now)
    return min(due, visit.starts_at) if visit.starts_at > uow.now else due
