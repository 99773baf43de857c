"""Events become facts, lines of the story and, where they are such, tasks: many at once, in the consumer's transaction.

A statement takes a thousand rows as easily as one, which is what makes a rebuild from the beginning bearable.
"""

from collections.abc import Sequence
from functools import cache
from typing import TypeVar, cast
from uuid import UUID

from services.dashboard import finding
from services.dashboard.domain.facts import Intake
from services.dashboard.domain.fold import Facts, fold
from services.dashboard.repository import read_model as repository
from services.dashboard.repository.read_model import Done, Line, Work
from shared.consuming import Told
from shared.contracts.base import Event, PatientEvent
from shared.contracts.envelope import Envelope
from shared.contracts.intake import LeadMerged, LeadUnmerged, PatientErased
from shared.contracts.tasks import TaskClosed, TaskRaised
from shared.security.keys import KeyState
from shared.uow import UnitOfWork

# A patient's wrapped key must not survive its erasure here.
NEVER_KEPT = {"key"}
MERGING: tuple[type[LeadMerged], type[LeadUnmerged]] = (LeadMerged, LeadUnmerged)
ABOUT_TASKS = frozenset({TaskRaised, TaskClosed})
E = TypeVar("E", bound=Event)


async def record(uow: UnitOfWork, told: Told) -> None:
    """Take events into the read model, in the order given; a PatientErased is the last of them, if there is one."""
    *_, (last, _) = told
    if isinstance(last, PatientErased):
        if told[:-1]:
            await _record(uow, told[:-1])
        await repository.erase(uow.conn, last.patient_id)
        told = told[-1:]
    await _record(uow, told)


async def _record(uow: UnitOfWork, told: Told) -> None:
    told = await _not_erased(uow, told)
    if not told:
        return
    await repository.tell(uow.conn, [_line(event, at) for event, at in told], _touched(told))
    closed = {event.task_id: Done(event.task_id, at.time, event.outcome) for event, at in _only(told, TaskClosed)}
    await repository.raised(uow.conn, [_work(event, at) for event, at in _only(told, TaskRaised)])
    await repository.closed(uow.conn, list(closed.values()))
    for event, _ in told:
        if type(event) is LeadMerged:
            await repository.merge(uow.conn, event.patient_id, event.absorbed_id)
        elif type(event) is LeadUnmerged:
            await repository.unmerge(uow.conn, event.patient_id, event.absorbed_id)
    await _fold(uow, [(cast(PatientEvent, event), at) for event, at in told if _of_a_patient(type(event))])


async def _fold(uow: UnitOfWork, told: Sequence[tuple[PatientEvent, Envelope]]) -> None:
    before = await repository.facts_of(uow.conn, {(event.patient_id, at.source) for event, at in told})
    after = dict(before)
    for event, at in told:
        if type(event) not in MERGING:
            key = (event.patient_id, at.source)
            after[key] = fold(after[key], event, at.time)
    await repository.save_facts(uow.conn, {key: facts for key, facts in after.items() if facts is not before[key]})
    changed = {key[0]: now for key, now in after.items() if type(now) is Intake and _by(now) != _by(before[key])}
    await finding.index(uow, changed)


def _by(facts: Facts) -> tuple[str | None, str | None]:
    """What somebody is found by, besides their name."""
    return (facts.contact, facts.date_of_birth) if type(facts) is Intake else (None, None)


def _line(event: Event, at: Envelope) -> Line:
    payload = event.model_dump_json(exclude=NEVER_KEPT, exclude_none=True)
    return Line(at.source, at.subject, at.sequence, patient_of(event), at.type, at.time, at.actor, payload)


def _touched(told: Told) -> set[UUID | None]:
    touched = {patient_of(event) for event, _ in told}
    return touched.union(*({event.absorbed_id} for kind in MERGING for event, _ in _only(told, kind)))


def _work(event: TaskRaised, at: Envelope) -> Work:
    return Work(
        task_id=event.task_id,
        source=at.source,
        subject=event.subject,
        patient_id=event.patient_id,
        kind=event.kind,
        occurrence=event.occurrence,
        role=event.role,
        deadline=event.deadline,
        appointment_id=event.appointment_id,
        detail=event.detail,
        raised_at=at.time,
    )


async def _not_erased(uow: UnitOfWork, told: Told) -> Told:
    """The kernel passes a patient's own events by once they are erased, but not the tasks about them."""
    tasks = {patient_of(event) for event, _ in told if type(event) in ABOUT_TASKS} - {None}
    if not tasks:
        return told
    states = await uow.keys.states([patient for patient in tasks if patient is not None])
    gone = {patient for patient, state in states.items() if state is KeyState.ERASED}
    return [(event, at) for event, at in told if not (type(event) in ABOUT_TASKS and patient_of(event) in gone)]


def _only(told: Told, kind: type[E]) -> list[tuple[E, Envelope]]:
    """The events of one type, by `is`: what is asked of every event must be cheap."""
    return [(event, at) for event, at in told if type(event) is kind]


@cache
def _of_a_patient(kind: type[Event]) -> bool:
    return issubclass(kind, PatientEvent)


def patient_of(event: Event) -> UUID | None:
    """The patient whom an event is about; None for a task or a calendar without one."""
    found: UUID | None = getattr(event, "patient_id", None)
    return found
