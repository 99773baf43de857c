"""The day after a session: how they are, by page or by text. What is severe is a person's at once."""

from datetime import datetime, timedelta
from uuid import UUID

from services.notifications.domain.wellbeing import Wellbeing, alarming, says_well
from services.notifications.handlers.reaching import known
from services.notifications.repository import questions
from services.notifications.rows import VisitRow
from shared.contracts.notifications import QuestionAnswered
from shared.ids import new_id
from shared.tasks import raise_task
from shared.uow import UnitOfWork

NEXT_DAY = "next-day"
"""The question of the check-in message."""
LASTS = timedelta(days=14)
"""So long after the way home an answer is about this visit, and its page is open."""
SEVERE, UNWELL = "side-effect-severe", "side-effect"


async def report(uow: UnitOfWork, visit: VisitRow, wellbeing: Wellbeing) -> None:
    """Their answer on the page; they may answer again when it changes."""
    patient = await known(uow, visit.patient_id)
    question = await questions.open_of_visit(uow.conn, visit.id, NEXT_DAY)
    answer_id = question or new_id()
    if question is not None:
        await questions.close(uow.conn, question, at=uow.now, meaning=wellbeing.meaning)
    await _publish(uow, visit, answer_id, wellbeing.meaning, wellbeing.said())
    if wellbeing.meaning in ("severe", "unwell"):
        await _call(uow, visit, patient.id, severe=wellbeing.meaning == "severe", said=wellbeing.said())


async def hear(uow: UnitOfWork, visit: VisitRow, question_id: UUID, body: str) -> bool:
    """Their answer by text. True where they are plainly well; else a person reads it, at once where it alarms."""
    patient = await known(uow, visit.patient_id)
    if says_well(body):
        await questions.close(uow.conn, question_id, at=uow.now, meaning="well")
        await _publish(uow, visit, question_id, "well", body)
        return True
    severe = alarming(body)
    await _publish(uow, visit, question_id, "severe" if severe else "unclear", body)
    await _call(uow, visit, patient.id, severe=severe, said=body)
    return False


async def _publish(uow: UnitOfWork, visit: VisitRow, question_id: UUID, meaning: str, said: str) -> None:
    uow.publish(
        QuestionAnswered(
            patient_id=visit.patient_id,
            question_id=question_id,
            kind=NEXT_DAY,
            appointment_id=visit.id,
            meaning=meaning,
            answer=(await uow.keys.box(visit.patient_id)).seal(said),
            answered_at=uow.now,
        )
    )


async def _call(uow: UnitOfWork, visit: VisitRow, patient_id: UUID, *, severe: bool, said: str) -> None:
    await raise_task(
        uow,
        kind=SEVERE if severe else UNWELL,
        subject=patient_id,
        occurrence=str(new_id()),
        role="provider",
        patient_id=patient_id,
        deadline=at_once(uow) if severe else uow.clinic.answer_due(uow.now),
        detail=said[:1_000],
        appointment_id=visit.id,
    )


def at_once(uow: UnitOfWork) -> datetime:
    """Danger does not wait for opening hours."""
    return uow.now + timedelta(minutes=uow.clinic.contact.answer_minutes_open)
