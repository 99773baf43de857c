"""What all four producers publish about work for a person."""

from typing import Literal
from uuid import UUID

from shared.contracts.base import Code, Event, Moment, Sealed, WrappedKey


class TaskRaised(Event):
    """A person must do something. Unique per kind, subject and occurrence in the service that raised it.

    `detail` seals what happened in plain words, with the patient's key, or with `key` where no patient is known.
    """

    task_id: UUID
    """The task, for good; closing names it again."""
    patient_id: UUID | None = None
    """Whom it is about; null where nobody is known yet, then the task is its own subject."""
    key: WrappedKey | None = None
    """Opens `detail` where no patient is known: a data key of the task's own. Else null."""
    kind: Code
    """What must be done: `answer-lead`, `sign-decision`, `transport-missing`, …"""
    occurrence: Code
    """Tells tasks of one kind and subject apart: a date, an appointment, `first`."""
    role: Code
    """Who is to do it: `front_desk`, `provider`, `monitor` or `operations`."""
    deadline: Moment | None = None
    """Until when; null where it has no clock."""
    appointment_id: UUID | None = None
    """The appointment that it is about, if one."""
    detail: Sealed | None = None
    """What happened, in plain words; sealed."""

    @property
    def subject(self) -> UUID:
        return self.patient_id or self.task_id


class TaskClosed(Event):
    """It is done, by a fact or by a person."""

    task_id: UUID
    """The task, as it was raised."""
    patient_id: UUID | None = None
    """As it was raised."""
    kind: Code
    """As it was raised."""
    how: Literal["fact", "person"]
    """`fact`: something that happened made it superfluous. `person`: somebody says that it is done."""
    outcome: Code
    """How it ended: `answered`, `completed`, `confirmed`, `cleared`, …"""
    note: Sealed | None = None
    """What the person wrote about it; sealed."""

    @property
    def subject(self) -> UUID:
        return self.patient_id or self.task_id
