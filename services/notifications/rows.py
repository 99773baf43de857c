"""What the tables hold, as the handlers see it. Sealed fields are named so in their comments."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from services.notifications.domain.delivery import State
from shared.clinic.messages import SmsOrEmail

VisitState = Literal["ahead", "cancelled", "missed", "done"]


@dataclass(frozen=True, slots=True)
class Patient:
    """A person who can be told. `name` and `contact` are sealed."""

    id: UUID
    name: str | None
    contact: str | None
    phone_hash: bytes | None
    has_phone: bool
    has_email: bool
    language: str
    zone: str | None
    sms_consent: bool
    sms_out: bool
    email_out: bool
    alias_of: UUID | None
    erased: bool
    unreachable: str | None = None
    """Why their number takes no texts, in the carrier's code; null: it does, as far as is known."""

    def tz(self, clinic_zone: ZoneInfo) -> ZoneInfo:
        """The patient's zone; the clinic's where it is not known."""
        return ZoneInfo(self.zone) if self.zone else clinic_zone


@dataclass(frozen=True, slots=True)
class VisitRow:
    """An appointment as notifications knows it. `escort`, `escort_link` and `escort_phone` are sealed.

    `mode` is a consultation's. `external`: booked in another system, which confirms and reminds by itself.
    `escort_round` counts who was named; `escort_said` is what the one named last said on their own link.
    """

    id: UUID
    patient_id: UUID
    kind: str
    course_id: UUID | None
    number: int | None
    of: int | None
    starts_at: datetime
    dose_at: datetime | None
    ends_at: datetime
    zone: str
    revision: int
    state: VisitState
    transport: Literal["open", "confirmed", "missing"]
    escort: str | None
    mode: str | None = None
    external: bool = False
    escort_round: int = 0
    escort_link: str | None = None
    escort_phone: str | None = None
    escort_said: Literal["yes", "no"] | None = None
    ride_revision: int = 0
    """The move for which the ride was confirmed last."""

    @property
    def ride_known(self) -> bool:
        """Somebody takes them home at this very hour; at another of the same day it was said and is asked again."""
        return self.transport == "confirmed" and self.ride_revision == self.revision

    @property
    def tz(self) -> ZoneInfo:
        """The zone of the place."""
        return ZoneInfo(self.zone)


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message of the ledger. `recipient`, `subject_line` and `body` are sealed."""

    id: UUID
    patient_id: UUID
    kind: str
    occurrence: str
    channel: SmsOrEmail
    text: str
    visit_id: UUID | None
    visits: tuple[UUID, ...]
    course_id: UUID | None
    ladder: bool
    exempt: bool
    asks: str | None
    answer_by: datetime | None
    planned_at: datetime
    due_at: datetime
    until_at: datetime | None
    state: State = State.PLANNED
    reason: str | None = None
    carried_by: UUID | None = None
    recipient: str | None = None
    subject_line: str | None = None
    body: str | None = None
    attempts: int = 0
    first_try_at: datetime | None = None
    vendor_id: str | None = None
    sent_at: datetime | None = None
    delivered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """An open question."""

    id: UUID
    patient_id: UUID
    kind: str
    visit_id: UUID
    asked_at: datetime
