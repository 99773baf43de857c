"""An event becomes facts, a line of the story and, where it is one, a task. Each runs in the consumer's transaction."""

from uuid import UUID

from services.dashboard import repository
from services.dashboard.domain.fold import fold
from services.dashboard.repository import Work
from shared.contracts.base import Event, PatientEvent
from shared.contracts.envelope import Envelope
from shared.contracts.intake import LeadMerged, LeadUnmerged, PatientErased
from shared.contracts.tasks import TaskClosed, TaskRaised
from shared.security.keys import KeyState
from shared.uow import UnitOfWork

# A patient's wrapped key must not survive its erasure here.
NEVER_KEPT = {"key"}


async def record(uow: UnitOfWork, event: Event, at: Envelope) -> None:
    """Take an event into the read model."""
    patient_id = patient_of(event)
    if isinstance(event, TaskRaised | TaskClosed) and await _erased(uow, patient_id):
        return
    if isinstance(event, PatientErased):
        await repository.erase(uow.conn, event.patient_id)
    payload = event.model_dump(mode="json", exclude=NEVER_KEPT, exclude_none=True)
    touched: set[UUID | None] = {patient_id}
    if isinstance(event, LeadMerged | LeadUnmerged):
        touched.add(event.absorbed_id)
    await repository.tell(
        uow.conn,
        source=at.source,
        subject=at.subject,
        sequence=at.sequence,
        patient_id=patient_id,
        type_=at.type,
        at=at.time,
        actor=at.actor,
        payload=payload,
        touched=touched,
    )
    match event:
        case TaskRaised():
            await _raised(uow, event, at)
        case TaskClosed():
            await repository.closed(uow.conn, event.task_id, at.time, event.outcome)
        case LeadMerged():
            await repository.merge(uow.conn, event.patient_id, event.absorbed_id)
        case LeadUnmerged():
            await repository.unmerge(uow.conn, event.patient_id, event.absorbed_id)
        case PatientEvent():
            known = await repository.facts_of(uow.conn, event.patient_id, at.source)
            told = fold(known, event, at.time)
            if told is not known:
                await repository.save_facts(uow.conn, event.patient_id, at.source, told)
        case _:
            pass


async def _raised(uow: UnitOfWork, event: TaskRaised, at: Envelope) -> None:
    work = Work(
        task_id=event.task_id,
        source=at.source,
        subject=event.subject,
        patient_id=event.patient_id,
        kind=event.kind,
        role=event.role,
        deadline=event.deadline,
        appointment_id=event.appointment_id,
        detail=event.detail,
        raised_at=at.time,
    )
    await repository.raised(uow.conn, work, event.occurrence)


async def _erased(uow: UnitOfWork, patient_id: UUID | None) -> bool:
    """The kernel passes a patient's own events by once they are erased, but not the tasks about them."""
    if patient_id is None:
        return False
    return (await uow.keys.states({patient_id})).get(patient_id) is KeyState.ERASED


def patient_of(event: Event) -> UUID | None:
    """The patient whom an event is about; None for a task or a calendar without one."""
    found: UUID | None = getattr(event, "patient_id", None)
    return found
