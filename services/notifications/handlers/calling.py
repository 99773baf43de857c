"""What no message will tell, a person tells: calls instead of messages."""

from uuid import UUID

from services.notifications.handlers.aftercare import NEXT_DAY
from services.notifications.handlers.reaching import TO_ESCORT
from services.notifications.repository import messages, visits
from services.notifications.rows import MessageRow, Patient
from shared.clinic.messages import TEXTS
from shared.tasks import raise_task
from shared.uow import UnitOfWork


async def call_unheard(uow: UnitOfWork, patient: Patient, row: MessageRow) -> None:
    """This will not go. News of a visit, and how they are the day after, is a person's where nothing else says it."""
    news = bool(row.visits) and not row.ladder and TEXTS[row.kind].stops and row.kind != TO_ESCORT
    if (news or row.asks == NEXT_DAY) and not await messages.has_twin(uow.conn, row):
        await call_instead(uow, patient, row.kind, row.occurrence, row.visit_id)


async def call_instead(
    uow: UnitOfWork, patient: Patient, kind: str, occurrence: str, visit_id: UUID | None, why: str = "no channel"
) -> None:
    """No message will tell them: a person calls."""
    about = {row.id: row for row in await visits.some(uow.conn, [visit_id] if visit_id else [])}
    deadline = uow.clinic.answer_due(uow.now)
    if visit_id in about and about[visit_id].starts_at > uow.now:
        deadline = min(deadline, about[visit_id].starts_at)
    await raise_task(
        uow,
        kind="call-patient",
        subject=patient.id,
        occurrence=f"{kind}:{occurrence}",
        role="front_desk",
        patient_id=patient.id,
        deadline=deadline,
        detail=f"Please call and tell them ({kind.replace('_', ' ')}): {why}.",
        appointment_id=visit_id,
    )
