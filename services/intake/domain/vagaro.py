"""What Vagaro's webhooks say, and which of two words of theirs is true.

Source: Vagaro's webhook reference. An envelope is `id, createdDate, type, action, payload` (one published sample has
`createdAt`); an appointment names its customer by id only, the customer comes by itself, in any order, also twice.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

Status = Literal["requested", "booked", "completed", "no-show", "cancelled"]
STATUSES: dict[str, Status] = {
    "accepted": "booked", "confirmed": "booked", "ready to start": "booked", "show": "booked",
    "service in progress": "booked", "awaiting confirmation": "requested", "need acceptance": "requested",
    "service complete": "completed", "no show": "no-show", "cancel": "cancelled", "cancelled": "cancelled",
    "deleted": "cancelled", "denied": "cancelled",
}  # fmt: skip
PERSONAL_OFF = "personaloff"
RANKS = {"created": 0, "updated": 1, "deleted": 2}
_CODE = re.compile(r"[A-Za-z0-9_.:+-]{1,64}")


class NotUnderstood(ValueError):
    """Vagaro's own words, yet not in the shape that it documents. The message is a code."""


class _Vendor(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True, populate_by_name=True)


class Webhook(_Vendor):
    """The envelope. `rank` orders what was said in the same moment."""

    id: str = Field(min_length=1, max_length=200)
    said_at: AwareDatetime
    type: str = Field(max_length=64)
    action: str = Field(default="updated", max_length=64)
    payload: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _either_name(cls, given: Any) -> Any:
        if isinstance(given, dict):
            return {**given, "said_at": given.get("createdDate") or given.get("createdAt")}
        return given

    @field_validator("type", "action")
    @classmethod
    def _plain(cls, value: str) -> str:
        return value.strip().lower()

    @property
    def order(self) -> "Order":
        """Where this stands among all words about the same thing."""
        return Order(self.said_at, RANKS.get(self.action, 1), hashlib.sha256(self.id.encode()).digest())


@dataclass(frozen=True, slots=True, order=True)
class Order:
    """When Vagaro said it; created, updated, deleted within one moment; and a last word that is the same everywhere."""

    at: datetime
    rank: int
    event: bytes


class Customer(_Vendor):
    """How a customer can be reached, as Vagaro has it."""

    id: str = Field(alias="customerId", min_length=1, max_length=200)
    first_name: str | None = Field(default=None, alias="customerFirstName", max_length=200)
    last_name: str | None = Field(default=None, alias="customerLastName", max_length=200)
    email: str | None = Field(default=None, max_length=500)
    mobile: str | None = Field(default=None, alias="mobilePhone", max_length=100)
    day: str | None = Field(default=None, alias="dayPhone", max_length=100)
    night: str | None = Field(default=None, alias="nightPhone", max_length=100)
    country: str | None = Field(default=None, alias="countryCode", max_length=20)

    @property
    def name(self) -> str:
        """First and last."""
        return " ".join(part.strip() for part in (self.first_name, self.last_name) if part and part.strip())


class Appointment(_Vendor):
    """A time in Vagaro's calendar: somebody's, or, with status PersonalOff, nobody's."""

    id: str = Field(alias="appointmentId", min_length=1, max_length=200)
    starts_at: AwareDatetime = Field(alias="startTime")
    ends_at: AwareDatetime = Field(alias="endTime")
    status: str = Field(alias="bookingStatus", max_length=64)
    event_type: str = Field(default="Appointment", alias="eventType", max_length=64)
    title: str | None = Field(default=None, alias="serviceTitle", max_length=500)
    provider: str | None = Field(default=None, alias="serviceProviderId", max_length=200)
    customer: str | None = Field(default=None, alias="customerId", max_length=200)

    @model_validator(mode="after")
    def _ends_later(self) -> "Appointment":
        if self.ends_at <= self.starts_at:
            raise ValueError("ends before it starts")
        return self

    @property
    def personal(self) -> bool:
        """Whether it is time that somebody of the clinic keeps free."""
        return _word(self.status).replace(" ", "") == PERSONAL_OFF

    @property
    def standing(self) -> Status | None:
        """Passage's word for Vagaro's status; None for one that Vagaro does not document."""
        return STATUSES.get(_word(self.status))

    def filled_from(self, other: "Appointment | None") -> "Appointment":
        """What this leaves out, from another word about the same appointment."""
        if other is None:
            return self
        # Only whose it is never changes; of the rest, what is cancelled may say less than what stood.
        names = ("customer", "provider", "title") if self.standing == "cancelled" else ("customer",)
        return self.model_copy(update={name: getattr(self, name) or getattr(other, name) for name in names})

    def after(self, action: str) -> "Appointment":
        """What stands after an action: whatever the status says, a deleted appointment is cancelled."""
        return self.model_copy(update={"status": "Deleted"}) if action == "deleted" else self


def read_webhook(body: bytes) -> Webhook:
    """The envelope.

    Raises:
        NotUnderstood
    """
    try:
        return Webhook.model_validate_json(body)
    except ValidationError as error:
        raise NotUnderstood("not-a-webhook") from error


def read_customer(payload: dict[str, Any]) -> Customer:
    """A customer's details.

    Raises:
        NotUnderstood
    """
    try:
        return Customer.model_validate({name: value for name, value in payload.items() if value != ""})
    except ValidationError as error:
        raise NotUnderstood("not-a-customer") from error


def read_appointment(payload: dict[str, Any], action: str) -> Appointment:
    """An appointment as it stands after `action`.

    Raises:
        NotUnderstood
    """
    try:
        found = Appointment.model_validate({name: value for name, value in payload.items() if value != ""})
    except ValidationError as error:
        raise NotUnderstood("not-an-appointment") from error
    found = found if found.personal and action != "deleted" else found.after(action)
    if not found.personal and found.standing is None:
        raise NotUnderstood("unknown-status")
    if found.event_type.strip().lower() == "class":
        raise NotUnderstood("a-class")
    return found


def code(vendor_id: str) -> str:
    """An id of theirs as one of our codes: itself where it is one, else a hash of it."""
    return vendor_id if _CODE.fullmatch(vendor_id) else "h-" + hashlib.sha256(vendor_id.encode()).hexdigest()[:40]


def _word(status: str) -> str:
    return " ".join(status.lower().split())
