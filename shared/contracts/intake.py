"""What intake publishes: who made contact, how, and what they allow us to do."""

from enum import StrEnum
from typing import Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.base import Code, Event, Hash, Language, Moment, PatientEvent, Sealed, WrappedKey, Zone


class Channel(StrEnum):
    """The door a contact came through."""

    WEB = "web"
    TEXT = "text"
    PHONE = "phone"
    VAGARO = "vagaro"
    API = "api"
    QUEUE = "queue"
    EMAIL = "email"


class ConsentKind(StrEnum):
    """What a person can allow, each on its own and each revocable."""

    SMS = "sms"
    EMAIL = "email"
    UNENCRYPTED_PHI = "unencrypted_phi"
    TREATMENT_IM = "treatment_im"
    TREATMENT_LOZENGE = "treatment_lozenge"
    PART2 = "part2"


class LeadCreated(PatientEvent):
    """A person made contact for the first time. Brings the patient's data key to every service.

    `contact` seals a JSON object `{"phone": E.164 or null, "email": address or null}`; `message` seals their own words.
    `key` is null only after erasure.
    """

    key: WrappedKey | None
    channel: Channel
    name: Sealed | None = None
    contact: Sealed
    has_phone: bool
    has_email: bool
    language: Language
    zone: Zone | None = None
    message: Sealed | None = None
    consents: tuple[ConsentKind, ...] = ()
    campaign: Code | None = None
    answer_due: Moment | None = None


class LeadUpdated(PatientEvent):
    """Something about the person became known or changed; null means unchanged. `changed` names the fields."""

    changed: tuple[Code, ...]
    name: Sealed | None = None
    contact: Sealed | None = None
    has_phone: bool | None = None
    has_email: bool | None = None
    language: Language | None = None
    zone: Zone | None = None
    date_of_birth: Sealed | None = None
    message: Sealed | None = None
    channel: Channel | None = None
    answer_due: Moment | None = None


class LeadMerged(PatientEvent):
    """`absorbed_id` turned out to be this patient. Ids are never rewritten: consumers follow the alias."""

    absorbed_id: UUID
    reason: Code


class LeadUnmerged(PatientEvent):
    """The merge was wrong; `absorbed_id` stands for itself again."""

    absorbed_id: UUID
    reason: Code


class LeadClosed(PatientEvent):
    """The clinic will not follow this contact further; a new contact reopens it."""

    reason: Code


class MessageReceived(PatientEvent):
    """A known person wrote, called or answered. `keyword` is what intake recognised at once.

    `missed_call`: they called, nobody spoke with them and they left no words; their number can be texted.
    """

    message_id: UUID
    channel: Channel
    body: Sealed
    keyword: Literal["stop", "start", "help"] | None = None
    media: int = Field(default=0, ge=0, le=100)
    missed_call: bool = False
    received_at: Moment


class ConsentGiven(PatientEvent):
    """The person agreed to the text with this hash."""

    consent_id: UUID
    kind: ConsentKind
    text_hash: Hash
    text_version: Code
    language: Language
    channel: Channel


class ConsentRevoked(PatientEvent):
    """The person took it back; effective at once."""

    kind: ConsentKind
    channel: Channel


class ExternalBookingReceived(PatientEvent):
    """An appointment was booked, moved or cancelled in another system; the whole of it as it stands there now.

    `status` is `requested` (that system waits for a yes), `booked`, `completed`, `no-show`, `cancelled`.
    `external_id` names it for good. Of two, the one with the later `changed_at` is true.
    """

    vendor: Code
    external_id: Code
    starts_at: Moment
    ends_at: Moment
    status: Code
    service_title: Sealed | None = None
    provider_ref: Code | None = None
    changed_at: Moment


class ExternalBusyChanged(Event):
    """A resource is busy, or free again, by another system's calendar. No patient is involved."""

    busy_id: UUID
    vendor: Code
    provider_ref: Code
    starts_at: Moment
    ends_at: Moment
    removed: bool = False

    @property
    def subject(self) -> UUID:
        return self.busy_id


class PatientErased(PatientEvent):
    """The person's data key is gone in every service; a tombstone that replay honours.

    `also` names what was kept about them before anybody knew who it was: contacts and tasks with keys of their own,
    which go with theirs.
    """

    requested_at: Moment
    also: tuple[UUID, ...] = ()
