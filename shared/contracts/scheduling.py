"""What scheduling publishes: booked people, rooms and times, and what became of them."""

from enum import StrEnum
from typing import Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.assessment import Route
from shared.contracts.base import Code, Hash, Moment, PatientEvent, Sealed, Zone


class AppointmentKind(StrEnum):
    """What an appointment is for."""

    CONSULTATION = "consultation"
    SESSION = "session"
    PREPARATION = "preparation"
    INTEGRATION = "integration"


class ConsultationScheduled(PatientEvent):
    """A first consultation stands in the calendar, in the clinic's `zone`."""

    appointment_id: UUID
    """This appointment, for good; moving it keeps the id."""
    starts_at: Moment
    """When it begins."""
    ends_at: Moment
    """When it ends."""
    zone: Zone
    """The clinic's IANA zone, in which the time was meant."""
    provider_id: Code
    """With whom: their id in the clinic file."""
    room_id: Code | None = None
    """In which room of the clinic file; null by video and phone."""
    mode: Literal["in_person", "video", "phone"]
    """How they meet."""
    booked_by: Literal["staff", "patient", "external"]
    """Who chose the time; `external`: another calendar."""
    policy_hash: Hash
    """SHA-256 of the clinic file under which it was booked, hexadecimal."""


class SessionScheduled(PatientEvent):
    """One session of a course stands in the calendar: room, monitor and prescriber together.

    `starts_at` is check-in, `dose_at` the planned dose, `ends_at` the earliest way home;
    the room is held until `room_until`.
    """

    appointment_id: UUID
    """This appointment, for good; moving it keeps the id."""
    course_id: UUID
    """The course that it is part of."""
    approval_id: UUID
    """The approval that it stands under; it falls with it."""
    number: int = Field(ge=1)
    """Which session of the course, from 1."""
    of: int = Field(ge=1)
    """How many the course has."""
    route: Route
    """How the medicine is taken."""
    starts_at: Moment
    """Check-in."""
    dose_at: Moment
    """When the dose is planned."""
    ends_at: Moment
    """The earliest way home."""
    room_until: Moment
    """Until when the room is held: it is cleaned after."""
    zone: Zone
    """The clinic's IANA zone, in which the times were meant."""
    room_id: Code
    """The room, by the clinic file."""
    monitor_id: Code
    """Who watches: their id in the clinic file."""
    prescriber_id: Code
    """Who prescribes and is in reach: their id in the clinic file."""
    policy_hash: Hash
    """SHA-256 of the clinic file under which it was planned, hexadecimal."""


class AppointmentRescheduled(PatientEvent):
    """The same appointment at another time; `revision` counts its moves."""

    appointment_id: UUID
    """The appointment; its id stays."""
    kind: AppointmentKind
    """What it is for."""
    revision: int = Field(ge=1)
    """Counts its moves from 1; the highest is true."""
    was_at: Moment
    """When it would have begun."""
    starts_at: Moment
    """When it begins now."""
    dose_at: Moment | None = None
    """When the dose is planned now; null where none is given."""
    ends_at: Moment
    """When it ends now."""
    zone: Zone
    """The clinic's IANA zone, in which the times were meant."""
    room_id: Code | None = None
    """The room that it is in now; null by video and phone."""
    provider_id: Code | None = None
    """With whom it is now; of a session, the prescriber."""
    monitor_id: Code | None = None
    """Who watches now; null where nobody does."""
    reason: Code
    """Why: `patient`, `clinic`, `illness`, `transport`, `fasting`, `external` or `other`."""


class AppointmentCancelled(PatientEvent):
    """It will not take place. `reason` is a code, `note` the words of who cancelled."""

    appointment_id: UUID
    """The appointment; it never comes back."""
    kind: AppointmentKind
    """What it was for."""
    starts_at: Moment
    """When it would have begun."""
    reason: Code
    """Why: a code as in AppointmentRescheduled, or `approval-revoked`, `approval-expired`, `erased`, …"""
    note: Sealed | None = None
    """The words of who cancelled it; sealed."""


class AppointmentNoShow(PatientEvent):
    """The patient did not come."""

    appointment_id: UUID
    """The appointment."""
    kind: AppointmentKind
    """What it was for."""
    starts_at: Moment
    """When it should have begun."""


class SessionCheckedIn(PatientEvent):
    """The patient is here; `gates` names what was open and `overridden` what a provider signed for."""

    appointment_id: UUID
    """The session."""
    checked_in_at: Moment
    """When they came."""
    gates: tuple[Code, ...] = ()
    """The gates that still stood open at the door, by their codes in the clinic file."""
    overridden: tuple[Code, ...] = ()
    """The gates that a provider signed past, with a reason on record."""


class SessionDosed(PatientEvent):
    """The medicine was given, by whom and when. The amount stays in the chart."""

    appointment_id: UUID
    """The session."""
    dosed_at: Moment
    """When the medicine was given."""
    prescriber_id: Code
    """The licensed prescriber who answers for it: their id in the clinic file."""
    overridden: tuple[Code, ...] = ()
    """The gates that a provider signed past, with a reason on record."""


class SessionCompleted(PatientEvent):
    """The patient left, with whom the chart says."""

    appointment_id: UUID
    """The session."""
    number: int = Field(ge=1)
    """Which session of the course, from 1."""
    of: int = Field(ge=1)
    """How many the course has."""
    discharged_at: Moment
    """When they left."""
    escort_present: bool
    """Whether somebody took them home."""


class CoursePlanInfeasible(PatientEvent):
    """No plan fits the approval; `reasons` name what stands in the way."""

    approval_id: UUID
    """The approval that could not be planned."""
    sessions: int = Field(ge=1)
    """How many sessions it asks for."""
    reasons: tuple[Code, ...]
    """What stands in the way: `room-taken`, `monitor-taken`, `spacing`, `approval-too-short`, …"""


class SlotOffered(PatientEvent):
    """A freed time is offered to one patient until `expires_at`."""

    offer_id: UUID
    """This offer, for good."""
    kind: AppointmentKind
    """What the time is offered for."""
    starts_at: Moment
    """When it would begin."""
    ends_at: Moment
    """When it would end."""
    expires_at: Moment
    """Until when it is held for this patient."""
