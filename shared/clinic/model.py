"""The clinic: one frozen object, read from one file, that every service takes its numbers from. Pure."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Annotated, TypeVar
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from shared.clinic.appointments import Appointments, Approval, Consent, Contact, Course, Preparation, Transport
from shared.clinic.calendar import Calendar
from shared.clinic.messages import Messages
from shared.clinic.opening import Opening
from shared.clinic.part import Id, Language, Part
from shared.clinic.people import Person, Room
from shared.clinic.screening import Gate, Instrument, Screening, Vitals
from shared.clinic.signing import Signature


class Clinic(Part):
    """A clinic's policy. Times of day are in its `zone`; languages in order of preference, the first is the default."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    zone: str
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    languages: Annotated[tuple[Language, ...], Field(min_length=1)]
    phone: Annotated[str, Field(pattern=r"^\+[1-9]\d{6,14}$")]
    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)]
    address: Annotated[str, Field(min_length=1, max_length=300)]
    url: Annotated[str, Field(pattern=r"^https?://\S+[^/\s]$", max_length=200)]
    medical_director: Id
    opening: Annotated[Opening, Field(alias="hours")]
    people: Annotated[tuple[Person, ...], Field(min_length=1)]
    rooms: Annotated[tuple[Room, ...], Field(min_length=1)]
    appointments: Appointments
    course: Course = Course()
    approval: Approval = Approval()
    consent: Consent = Consent()
    preparation: Preparation = Preparation()
    transport: Transport = Transport()
    contact: Contact = Contact()
    messages: Messages
    screening: Screening
    instruments: tuple[Instrument, ...]
    vitals: Vitals = Vitals()
    gates: tuple[Gate, ...]
    sign_off: dict[str, Signature] = Field(default_factory=dict)

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f'{value!r} is not a zone of the IANA database: write one like "America/Denver"') from None
        return value

    @cached_property
    def tz(self) -> ZoneInfo:
        """The clinic's zone."""
        return ZoneInfo(self.zone)

    @cached_property
    def hours(self) -> Calendar:
        """When the clinic and its people work, as UTC intervals."""
        return Calendar(self.opening, self.tz, self.country)

    @cached_property
    def hash(self) -> str:
        """64 hex digits over everything the policy says; comments, order of keys and files make no difference."""
        canonical = json.dumps(self.model_dump(mode="json", by_alias=True), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def person(self, person_id: str) -> Person:
        """The member of staff with this id.

        Raises:
            KeyError: nobody has it.
        """
        return _with_id(self.people, person_id)

    def room(self, room_id: str) -> Room:
        """The room with this id.

        Raises:
            KeyError: no room has it.
        """
        return _with_id(self.rooms, room_id)

    def answer_due(self, at: datetime) -> datetime:
        """By when a person answers a contact that came in at `at`; in UTC.

        While open: after `contact.answer_minutes_open`, or, where the clinic closes before, as for a contact at night:
        `contact.answer_minutes_after_opening` after the next opening.
        """
        within = timedelta(minutes=self.contact.answer_minutes_open)
        after = timedelta(minutes=self.contact.answer_minutes_after_opening)
        closing = self.hours.closing(at)
        if closing is not None and at + within <= closing:
            return at.astimezone(UTC) + within
        opening = self.hours.next_opening(closing or at)
        return (opening or at.astimezone(UTC)) + after


Named = TypeVar("Named", Person, Room)


def _with_id(some: tuple[Named, ...], wanted: str) -> Named:
    for one in some:
        if one.id == wanted:
            return one
    raise KeyError(wanted)
