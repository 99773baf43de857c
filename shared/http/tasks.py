"""A service's open tasks over HTTP: what staff see of them, and how one is closed by a person."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from shared.audit import audit
from shared.contracts.base import Code
from shared.http.auth import Staff, staff
from shared.http.deps import ServiceDep
from shared.http.problems import Conflict, Forbidden, NotFound
from shared.security.sealing import Box
from shared.tasks import Task, close_by_id, find_task, open_tasks

router = APIRouter(prefix="/api/v1/tasks", tags=["tasks"])
READS = frozenset({"front_desk", "provider", "monitor", "auditor"})
"""Who reads what is known of patients; everybody else reads only what they have to do themselves."""
SETTLED_ELSEWHERE = frozenset({"safety-concern"})
"""Nobody ticks these off: a crisis is over when a clinician has cleared it, and that closes its task."""
Anyone = Annotated[Staff, Depends(staff())]


class OpenTask(BaseModel):
    """What a person must do. `detail` is in plain words; null where there is none, the patient was erased, or it is
    neither the asker's own task nor theirs to read.
    """

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


class OpenTasks(BaseModel):
    """The most urgent first; at most 500."""

    tasks: list[OpenTask]


class Closing(BaseModel):
    """How it ended, as a code, and what the person wants to say about it."""

    model_config = ConfigDict(extra="forbid")

    outcome: Code = "done"
    note: str | None = Field(default=None, max_length=2_000)


@router.get("")
async def listed(service: ServiceDep, who: Anyone, role: str | None = None) -> OpenTasks:
    """What is open in this service, for one role or for all."""
    async with service.transaction(actor=who.actor) as uow:
        found = await open_tasks(uow.conn, role)
        boxes = await uow.keys.boxes({_owner(task) for task in found if task.detail})
        await audit(uow, action="read", what="tasks", subject=None, detail={"count": len(found)})
    mine = [bool(who.roles & (READS | {task.role})) for task in found]
    return OpenTasks(
        tasks=[
            _shown(task, boxes.get(_owner(task)) if reads else None) for task, reads in zip(found, mine, strict=True)
        ]
    )


@router.post("/{task_id}/close", status_code=204)
async def close(task_id: UUID, body: Closing, service: ServiceDep, who: Anyone) -> None:
    """A person did it. The role that owns the task may close it, and operations may close any.

    Raises:
        NotFound, Forbidden, or Conflict when it was closed already.
    """
    async with service.transaction(actor=who.actor) as uow:
        found = await find_task(uow.conn, task_id)
        if found is None:
            raise NotFound("There is no such task here.")
        task, closed = found
        if not who.roles & {task.role, "operations"}:
            raise Forbidden(f"This task is for: {task.role.replace('_', ' ')}.", code="wrong_role")
        if task.kind in SETTLED_ELSEWHERE and not closed:
            raise Conflict(
                "This task ends when a clinician has spoken with the patient and cleared the concern.",
                code="settled_elsewhere",
                remedy="Open the chart and clear the concern there.",
            )
        if closed or not await close_by_id(uow, task_id, outcome=body.outcome, note=body.note):
            raise Conflict("This task is closed already.", code="task_closed")
        await audit(uow, action="close", what="task", subject=task.patient_id or task_id, detail={"kind": task.kind})


def _owner(task: Task) -> UUID:
    return task.patient_id or task.id


def _shown(task: Task, box: Box | None) -> OpenTask:
    detail = box.open(task.detail) if box is not None and task.detail else None
    return OpenTask(
        id=task.id,
        kind=task.kind,
        subject=task.subject,
        occurrence=task.occurrence,
        patient_id=task.patient_id,
        role=task.role,
        deadline=task.deadline,
        appointment_id=task.appointment_id,
        detail=detail,
        raised_at=task.raised_at,
    )
