"""What notifications publishes: what was said to a patient, and what they answered."""

from typing import Literal
from uuid import UUID

from shared.contracts.base import Code, Moment, PatientEvent, Sealed

PREPARATION = ("solids", "fluids", "alcohol", "sleep", "calm", "clothes", "driving")
"""What a patient prepares for a session, each answered by itself: the items of PrepConfirmed. The ride is its own."""


class MessageSent(PatientEvent):
    """The provider accepted a message. `body` seals the very words."""

    message_id: UUID
    kind: Code
    channel: Literal["sms", "email"]
    appointment_id: UUID | None = None
    body: Sealed
    sent_at: Moment


class MessageFailed(PatientEvent):
    """A message will not arrive; a person has a task."""

    message_id: UUID
    kind: Code
    channel: Literal["sms", "email"]
    appointment_id: UUID | None = None
    reason: Code
    failed_at: Moment


class TransportConfirmed(PatientEvent):
    """Somebody will take the patient home after this appointment. `escort` seals the name, where one was given."""

    appointment_id: UUID
    escort: Sealed | None = None
    by: Literal["patient", "escort", "staff"]
    confirmed_at: Moment


class TransportMissing(PatientEvent):
    """Nobody takes the patient home: none was confirmed at the cut-off, or who was named can't. The session is held."""

    appointment_id: UUID
    starts_at: Moment
    cut_off_at: Moment


class PrepConfirmed(PatientEvent):
    """The patient answered one item of the preparation."""

    appointment_id: UUID
    item: Code
    ok: bool
    answered_at: Moment


class QuestionAnswered(PatientEvent):
    """The patient answered a question; `meaning` is how it was understood, "unclear" became a task."""

    question_id: UUID
    kind: Code
    appointment_id: UUID | None = None
    meaning: Code
    answer: Sealed
    answered_at: Moment
