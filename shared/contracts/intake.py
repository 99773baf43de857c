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
    """The patient's data key, wrapped by the clinic's; null only after erasure."""
    channel: Channel
    """The door that they came through."""
    name: Sealed | None = None
    """The whole name as the person wrote it; null where they gave none."""
    contact: Sealed
    """A JSON object `{"phone": E.164 or null, "email": address or null}`; sealed."""
    has_phone: bool
    """Whether `contact` holds a phone number: known without opening it."""
    has_email: bool
    """Whether `contact` holds an address: known without opening it."""
    language: Language
    """What they are spoken to in: one that the clinic speaks."""
    zone: Zone | None = None
    """Their IANA time zone; null: the clinic's."""
    message: Sealed | None = None
    """Their own words; null where they left none."""
    consents: tuple[ConsentKind, ...] = ()
    """What they agreed to with this contact; each also comes as a ConsentGiven."""
    campaign: Code | None = None
    """Where they heard of the clinic, in the producer's word."""
    answer_due: Moment | None = None
    """Until when a person is to have answered, by the clinic file's hours."""


class LeadUpdated(PatientEvent):
    """Something about the person became known or changed; null means unchanged. `changed` names the fields."""

    changed: tuple[Code, ...]
    """The names of the fields that changed: `name`, `contact`, `language`, `date_of_birth`, …"""
    name: Sealed | None = None
    """The name as it is now."""
    contact: Sealed | None = None
    """Phone and address as they are now, both: `{"phone": …, "email": …}`; sealed."""
    has_phone: bool | None = None
    """Whether there is a phone number now."""
    has_email: bool | None = None
    """Whether there is an address now."""
    language: Language | None = None
    """What they are spoken to in from now on."""
    zone: Zone | None = None
    """Their IANA time zone from now on."""
    date_of_birth: Sealed | None = None
    """The day, as ISO 8601 (`1980-04-02`); sealed."""
    message: Sealed | None = None
    """What they wrote with it."""
    channel: Channel | None = None
    """The door by which it became known; null where staff wrote it."""
    answer_due: Moment | None = None
    """Until when a person is to answer; null: nothing new to answer."""


class LeadMerged(PatientEvent):
    """`absorbed_id` turned out to be this patient. Ids are never rewritten: consumers follow the alias."""

    absorbed_id: UUID
    """The id that from now on means `patient_id`."""
    reason: Code
    """Why they are held to be one person: a code of whoever decided it."""


class LeadUnmerged(PatientEvent):
    """The merge was wrong; `absorbed_id` stands for itself again."""

    absorbed_id: UUID
    """The id that means a person of its own again."""
    reason: Code
    """Why they are held to be two after all."""


class LeadClosed(PatientEvent):
    """The clinic will not follow this contact further; a new contact reopens it."""

    reason: Code
    """Why, as a code that the front desk chose."""


class MessageReceived(PatientEvent):
    """A known person wrote, called or answered. `keyword` is what intake recognised at once.

    `missed_call`: they called, nobody spoke with them and they left no words; their number can be texted.
    """

    message_id: UUID
    """This message, for good."""
    channel: Channel
    """The door that it came by."""
    body: Sealed
    """Their words, or what the caller said; sealed. Empty text where they left none."""
    keyword: Literal["stop", "start", "help"] | None = None
    """What it means to every carrier, recognised at once; null: words for a person."""
    media: int = Field(default=0, ge=0, le=100)
    """How many pictures or recordings came with it; they stay in intake."""
    missed_call: bool = False
    """They called, nobody spoke with them and they left no words; their number can be texted."""
    received_at: Moment
    """When it reached intake."""


class ConsentGiven(PatientEvent):
    """The person agreed to the text with this hash."""

    consent_id: UUID
    """This consent, for good."""
    kind: ConsentKind
    """What they allow."""
    text_hash: Hash
    """SHA-256 of the very words that they agreed to, hexadecimal."""
    text_version: Code
    """The version of these words in the clinic file."""
    language: Language
    """The language in which they read them."""
    channel: Channel
    """The door by which they agreed."""


class ConsentRevoked(PatientEvent):
    """The person took it back; effective at once."""

    kind: ConsentKind
    """What they allow no more."""
    channel: Channel
    """The door by which they took it back."""


class NumberOptedOut(Event):
    """A number wants no texts, whoever's it is: also one that belongs to no patient. Said again, it stays so."""

    number_id: UUID
    """The number, for good: the same as long as the clinic's look-up key is."""
    phone_hash: Hash
    """Its keyed hash, hexadecimal, by which the clinic's services know it; without the clinic's key it says nothing."""

    @property
    def subject(self) -> UUID:
        return self.number_id


class NumberOptedIn(Event):
    """A number that wanted no texts wrote START: it may be texted again."""

    number_id: UUID
    """The number, as in NumberOptedOut."""
    phone_hash: Hash
    """Its keyed hash, as in NumberOptedOut."""

    @property
    def subject(self) -> UUID:
        return self.number_id


class ExternalBookingReceived(PatientEvent):
    """An appointment was booked, moved or cancelled in another system; the whole of it as it stands there now.

    `status` is `requested` (that system waits for a yes), `booked`, `completed`, `no-show`, `cancelled`.
    `external_id` names it for good. Of two, the one with the later `changed_at` is true.
    """

    vendor: Code
    """The other system: `vagaro`."""
    external_id: Code
    """The appointment's name there, for good."""
    starts_at: Moment
    """When it begins."""
    ends_at: Moment
    """When it ends."""
    status: Code
    """`requested` (that system waits for a yes), `booked`, `completed`, `no-show` or `cancelled`."""
    service_title: Sealed | None = None
    """What was booked, in that system's words; sealed."""
    provider_ref: Code | None = None
    """With whom: a person's id in the clinic file where that is known, else the vendor's own."""
    changed_at: Moment
    """When it became so there. Of two of one `external_id`, the later is true."""


class ExternalBusyChanged(Event):
    """A resource is busy, or free again, by another system's calendar. No patient is involved."""

    busy_id: UUID
    """This busy time, for good; its later changes carry the same id."""
    vendor: Code
    """The other system: `vagaro`."""
    provider_ref: Code
    """Who is busy: a person's id in the clinic file where that is known, else the vendor's own."""
    starts_at: Moment
    """From when."""
    ends_at: Moment
    """Until when."""
    removed: bool = False
    """True: free again, nothing is left of it."""

    @property
    def subject(self) -> UUID:
        return self.busy_id


class PatientErased(PatientEvent):
    """The person's data key is gone in every service; a tombstone that replay honours.

    `also` names what was kept about them before anybody knew who it was: contacts and tasks with keys of their own,
    which go with theirs.
    """

    requested_at: Moment
    """When it was asked for and done."""
    also: tuple[UUID, ...] = ()
    """Ids of contacts and tasks with keys of their own that turned out to be about them; these go too."""
