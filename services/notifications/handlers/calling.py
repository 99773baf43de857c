"""What no message will tell, a person tells: calls instead of messages."""

from datetime import datetime
from uuid import UUID

from services.notifications.handlers.aftercare import NEXT_DAY
from services.notifications.handlers.reaching import TO_ESCORT
from services.notifications.repository import messages, visits
from services.notifications.rows import MessageRow, Patient, VisitRow
from shared.clinic.messages import TEXTS
from shared.tasks import raise_task
from shared.uow import UnitOfWork

HELP = "transport-help"
NO_TEXTS = "Who is to take them home takes no texts from us. Please ask the patient whether the ride stands."


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


async def call_about_ride(uow: UnitOfWork, visit: VisitRow, detail: str) -> None:
    """What nobody knows of the way home, the patient is asked by a person. Settled as soon as the ride is."""
    await raise_about_ride(uow, visit, HELP, detail, min(visit.starts_at, uow.clinic.answer_due(uow.now)))


async def raise_about_ride(uow: UnitOfWork, visit: VisitRow, kind: str, detail: str, deadline: datetime) -> None:
    """A task about the way home, once for each asking."""
    await raise_task(
        uow,
        kind=kind,
        subject=visit.patient_id,
        occurrence=asking(visit),
        role="front_desk",
        patient_id=visit.patient_id,
        deadline=deadline,
        detail=detail,
        appointment_id=visit.id,
    )


def asking(visit: VisitRow) -> str:
    """One asking: another time, or another person, is asked anew."""
    return f"{visit.id}:{visit.revision}:{visit.escort_round}"
