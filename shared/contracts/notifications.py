"""What notifications publishes: what was said to a patient, and what they answered."""

from typing import Literal
from uuid import UUID

from shared.contracts.base import Code, Moment, PatientEvent, Sealed

PREPARATION = ("solids", "fluids", "alcohol", "sleep", "calm", "clothes", "driving")
"""What a patient prepares for a session, each answered by itself: the items of PrepConfirmed. The ride is its own."""


class MessageSent(PatientEvent):
    """The provider accepted a message. `body` seals the very words."""

    message_id: UUID
    """This message, for good."""
    kind: Code
    """What it is about: `enquiry`, `consultation`, `session`, a rung of the reminder ladder, …"""
    channel: Literal["sms", "email"]
    """How it went."""
    appointment_id: UUID | None = None
    """The appointment that it is about, if one."""
    body: Sealed
    """The very words; sealed."""
    sent_at: Moment
    """When the carrier accepted it."""


class MessageFailed(PatientEvent):
    """A message will not arrive; a person has a task."""

    message_id: UUID
    """The message."""
    kind: Code
    """What it was about, as in MessageSent."""
    channel: Literal["sms", "email"]
    """How it should have gone."""
    appointment_id: UUID | None = None
    """The appointment that it is about, if one."""
    reason: Code
    """Why: the carrier's code, `carrier-down`, `unsure` (it may have arrived), …"""
    failed_at: Moment
    """When it was given up."""


class TransportConfirmed(PatientEvent):
    """Somebody will take the patient home after this appointment. `escort` seals the name, where one was given."""

    appointment_id: UUID
    """The session after which they are taken home."""
    starts_at: Moment | None = None
    """For which time of the session it was said; null from a version that did not say."""
    escort: Sealed | None = None
    """The name of who comes, where one was given; sealed."""
    by: Literal["patient", "escort", "staff"]
    """Who said so."""
    confirmed_at: Moment
    """When they said so."""


class TransportMissing(PatientEvent):
    """Nobody takes the patient home: none was confirmed at the cut-off, or who was named can't. The session is held."""

    appointment_id: UUID
    """The session that is held."""
    starts_at: Moment
    """When it would begin."""
    cut_off_at: Moment
    """Until when a ride had to be confirmed, by the clinic file's hours."""


class PrepConfirmed(PatientEvent):
    """The patient answered one item of the preparation."""

    appointment_id: UUID
    """The session that is prepared."""
    starts_at: Moment | None = None
    """For which time of the session it was said; null from a version that did not say."""
    item: Code
    """What was asked: `solids`, `fluids`, `alcohol`, `sleep`, `calm`, `clothes` or `driving`."""
    ok: bool
    """True: kept, or will be. False: not, and a person has a task."""
    answered_at: Moment
    """When they answered."""


class QuestionAnswered(PatientEvent):
    """The patient answered a question; `meaning` is how it was understood, "unclear" became a task."""

    question_id: UUID
    """The question; each is answered once."""
    kind: Code
    """What was asked: `transport`, `next-day`, …"""
    appointment_id: UUID | None = None
    """The appointment that it is about, if one."""
    meaning: Code
    """How it was understood: `yes`, `no`, `unclear`; of the next day `well`, `mild`, `unwell`, `severe`."""
    answer: Sealed
    """Their very words; sealed."""
    answered_at: Moment
    """When they answered."""
