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
    starts_at: Moment
    ends_at: Moment
    zone: Zone
    provider_id: Code
    room_id: Code | None = None
    mode: Literal["in_person", "video", "phone"]
    booked_by: Literal["staff", "patient", "external"]
    policy_hash: Hash


class SessionScheduled(PatientEvent):
    """One session of a course stands in the calendar: room, monitor and prescriber together.

    `starts_at` is check-in, `dose_at` the planned dose, `ends_at` the earliest way home;
    the room is held until `room_until`.
    """

    appointment_id: UUID
    course_id: UUID
    approval_id: UUID
    number: int = Field(ge=1)
    of: int = Field(ge=1)
    route: Route
    starts_at: Moment
    dose_at: Moment
    ends_at: Moment
    room_until: Moment
    zone: Zone
    room_id: Code
    monitor_id: Code
    prescriber_id: Code
    policy_hash: Hash


class AppointmentRescheduled(PatientEvent):
    """The same appointment at another time; `revision` counts its moves."""

    appointment_id: UUID
    kind: AppointmentKind
    revision: int = Field(ge=1)
    was_at: Moment
    starts_at: Moment
    dose_at: Moment | None = None
    ends_at: Moment
    zone: Zone
    room_id: Code | None = None
    provider_id: Code | None = None
    monitor_id: Code | None = None
    reason: Code


class AppointmentCancelled(PatientEvent):
    """It will not take place. `reason` is a code, `note` the words of who cancelled."""

    appointment_id: UUID
    kind: AppointmentKind
    starts_at: Moment
    reason: Code
    note: Sealed | None = None


class AppointmentNoShow(PatientEvent):
    """The patient did not come."""

    appointment_id: UUID
    kind: AppointmentKind
    starts_at: Moment


class SessionCheckedIn(PatientEvent):
    """The patient is here; `gates` names what was open and `overridden` what a provider signed for."""

    appointment_id: UUID
    checked_in_at: Moment
    gates: tuple[Code, ...] = ()
    overridden: tuple[Code, ...] = ()


class SessionDosed(PatientEvent):
    """The medicine was given, by whom and when. The amount stays in the chart."""

    appointment_id: UUID
    dosed_at: Moment
    prescriber_id: Code
    overridden: tuple[Code, ...] = ()


class SessionCompleted(PatientEvent):
    """The patient left, with whom the chart says."""

    appointment_id: UUID
    number: int = Field(ge=1)
    of: int = Field(ge=1)
    discharged_at: Moment
    escort_present: bool


class CoursePlanInfeasible(PatientEvent):
    """No plan fits the approval; `reasons` name what stands in the way."""

    approval_id: UUID
    sessions: int = Field(ge=1)
    reasons: tuple[Code, ...]


class SlotOffered(PatientEvent):
    """A freed time is offered to one patient until `expires_at`."""

    offer_id: UUID
    kind: AppointmentKind
    starts_at: Moment
    ends_at: Moment
    expires_at: Moment
