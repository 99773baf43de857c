"""What a person must do: with its reason, the role that owns it and a deadline.

The promise: one task per kind, subject and occurrence, however often its cause repeats; TaskRaised and TaskClosed come
from here and nowhere else. A task is closed by a fact or by a person, once.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

import asyncpg

from shared.contracts.base import WrappedKey
from shared.contracts.tasks import TaskClosed, TaskRaised
from shared.ids import new_id
from shared.security.sealing import Box
from shared.uow import UnitOfWork

RAISE = """
insert into tasks (id, kind, subject, occurrence, patient_id, role, deadline, appointment_id, raised_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (kind, subject, occurrence) do nothing
returning id
"""
DETAIL = "update tasks set detail = $2 where id = $1"
CLOSE_BY_FACT = """
update tasks set closed_at = $4, how = 'fact', outcome = $5, closed_by = $6
 where kind = $1 and subject = $2 and ($3::text is null or occurrence = $3) and closed_at is null
returning id, patient_id, kind
"""
CLOSE_BEGINNING = """
update tasks set closed_at = $4, how = 'fact', outcome = $5, closed_by = $6
 where kind = $1 and subject = $2 and starts_with(occurrence, $3) and closed_at is null
returning id, patient_id, kind
"""
CLOSE_OF_PATIENT = """
update tasks set closed_at = $2, how = 'fact', outcome = $3, closed_by = $4
 where (patient_id = $1 or subject = $1) and closed_at is null
returning id, patient_id, kind
"""
CLOSE_BY_PERSON = """
update tasks set closed_at = $2, how = 'person', outcome = $3, closed_by = $4
 where id = $1 and closed_at is null
returning id, patient_id, kind
"""
OPEN = """
select id, kind, subject, occurrence, patient_id, role, deadline, appointment_id, detail, raised_at
  from tasks where closed_at is null and ($1::text is null or role = $1)
 order by deadline nulls last, raised_at limit 500
"""
FIND = """
select id, kind, subject, occurrence, patient_id, role, deadline, appointment_id, detail, raised_at, closed_at
  from tasks where id = $1
"""


@dataclass(frozen=True, slots=True)
class Task:
    """An open task; `detail` is sealed with the patient's key, or the task's own where no patient is known."""

    id: UUID
    kind: str
    subject: UUID
    occurrence: str
    patient_id: UUID | None
    role: str
    deadline: datetime | None
    appointment_id: UUID | None
    detail: str | None
    raised_at: datetime


async def raise_task(
    uow: UnitOfWork,
    *,
    kind: str,
    subject: UUID,
    occurrence: str,
    role: str,
    patient_id: UUID | None,
    deadline: datetime | None = None,
    detail: str | None = None,
    appointment_id: UUID | None = None,
) -> UUID | None:
    """Raise a task; `detail` is plain text and sealed here. Returns its id, or None when it stands already."""
    task_id = new_id()
    made = await uow.conn.fetchval(
        RAISE, task_id, kind, subject, occurrence, patient_id, role, deadline, appointment_id, uow.now
    )
    if made is None:
        return None
    key: WrappedKey | None = None
    sealed: str | None = None
    if detail is not None:
        if patient_id is None:
            key = await uow.keys.create(task_id)
        sealed = (await uow.keys.box(patient_id or task_id)).seal(detail)
        await uow.conn.execute(DETAIL, task_id, sealed)
    uow.publish(
        TaskRaised(
            task_id=task_id,
            patient_id=patient_id,
            key=key,
            kind=kind,
            occurrence=occurrence,
            role=role,
            deadline=deadline,
            appointment_id=appointment_id,
            detail=sealed,
        )
    )
    return task_id


@dataclass(frozen=True, slots=True)
class PatientTask:
    """A task to raise about one patient; `detail` is plain text. Its event is published by `uow`."""

    uow: UnitOfWork
    kind: str
    patient_id: UUID
    occurrence: str
    role: str
    deadline: datetime | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task of a patient who is new in this transaction: `row` is written with the patient, then `publish` says so."""

    task_id: UUID
    wanted: PatientTask
    sealed: str | None

    @classmethod
    def of(cls, wanted: PatientTask, box: Box) -> Self:
        """With its detail sealed."""
        return cls(new_id(), wanted, None if wanted.detail is None else box.seal(wanted.detail))

    @property
    def row(self) -> tuple[UUID, str, UUID, str, str, datetime | None, str | None]:
        """Id, kind, patient (who is the subject too), occurrence, role, deadline, detail."""
        task = self.wanted
        return (self.task_id, task.kind, task.patient_id, task.occurrence, task.role, task.deadline, self.sealed)

    def publish(self) -> None:
        """Say that it was raised."""
        task = self.wanted
        task.uow.publish(
            TaskRaised(
                task_id=self.task_id,
                patient_id=task.patient_id,
                kind=task.kind,
                occurrence=task.occurrence,
                role=task.role,
                deadline=task.deadline,
                detail=self.sealed,
            )
        )


async def close_task(uow: UnitOfWork, *, kind: str, subject: UUID, outcome: str, occurrence: str | None = None) -> int:
    """A fact made these tasks superfluous; returns how many were open."""
    rows = await uow.conn.fetch(CLOSE_BY_FACT, kind, subject, occurrence, uow.now, outcome, uow.actor)
    return _closed(uow, rows, outcome)


async def close_tasks(uow: UnitOfWork, *, kind: str, subject: UUID, beginning: str, outcome: str) -> int:
    """A fact made all those superfluous whose occurrence begins so; returns how many were open.

    For tasks that may be raised again after they were closed: their occurrence ends in what makes each new.
    """
    rows = await uow.conn.fetch(CLOSE_BEGINNING, kind, subject, beginning, uow.now, outcome, uow.actor)
    return _closed(uow, rows, outcome)


async def close_tasks_of(uow: UnitOfWork, patient_id: UUID, *, outcome: str) -> int:
    """Nothing is left to do about this patient, of whatever kind; returns how many were open."""
    rows = await uow.conn.fetch(CLOSE_OF_PATIENT, patient_id, uow.now, outcome, uow.actor)
    return _closed(uow, rows, outcome)


def _closed(uow: UnitOfWork, rows: list[asyncpg.Record], outcome: str) -> int:
    for row in rows:
        uow.publish(
            TaskClosed(task_id=row["id"], patient_id=row["patient_id"], kind=row["kind"], how="fact", outcome=outcome)
        )
    return len(rows)


async def close_by_id(uow: UnitOfWork, task_id: UUID, *, outcome: str, note: str | None = None) -> bool:
    """A person did it; False when it was closed already. `note` is plain text and sealed here."""
    row = await uow.conn.fetchrow(CLOSE_BY_PERSON, task_id, uow.now, outcome, uow.actor)
    if row is None:
        return False
    sealed = None
    if note:
        owner = row["patient_id"] or task_id
        if row["patient_id"] is None:
            await uow.keys.create(task_id)
        sealed = (await uow.keys.box(owner)).seal(note)
    uow.publish(
        TaskClosed(
            task_id=task_id,
            patient_id=row["patient_id"],
            kind=row["kind"],
            how="person",
            outcome=outcome,
            note=sealed,
        )
    )
    return True


async def open_tasks(conn: asyncpg.Connection, role: str | None = None) -> list[Task]:
    """What is open, the most urgent first; for one role or for all. At most 500."""
    return [Task(*row.values()) for row in await conn.fetch(OPEN, role)]


async def find_task(conn: asyncpg.Connection, task_id: UUID) -> tuple[Task, bool] | None:
    """A task and whether it is closed."""
    row = await conn.fetchrow(FIND, task_id)
    if row is None:
        return None
    values = list(row.values())
    return Task(*values[:-1]), values[-1] is not None
