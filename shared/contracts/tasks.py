"""What all four producers publish about work for a person."""

from typing import Literal
from uuid import UUID

from shared.contracts.base import Code, Event, Moment, Sealed, WrappedKey


class TaskRaised(Event):
    """A person must do something. Unique per kind, subject and occurrence in the service that raised it.

    `detail` seals what happened in plain words, with the patient's key, or with `key` where no patient is known.
    """

    task_id: UUID
    patient_id: UUID | None = None
    key: WrappedKey | None = None
    kind: Code
    occurrence: Code
    role: Code
    deadline: Moment | None = None
    appointment_id: UUID | None = None
    detail: Sealed | None = None

    @property
    def subject(self) -> UUID:
        return self.patient_id or self.task_id


class TaskClosed(Event):
    """It is done, by a fact or by a person."""

    task_id: UUID
    patient_id: UUID | None = None
    kind: Code
    how: Literal["fact", "person"]
    outcome: Code
    note: Sealed | None = None

    @property
    def subject(self) -> UUID:
        return self.patient_id or self.task_id
