"""What the API takes and gives. Moments carry the clinic's offset."""

from datetime import date, datetime, timedelta
from typing import Annotated, Literal, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.scheduling.domain import house
from services.scheduling.domain.appointments import Appointment, Session
from services.scheduling.domain.offers import Offer
from services.scheduling.domain.sessions import Slot
from services.scheduling.handlers.standing_in import Part
from services.scheduling.repository.absences import Absence
from shared.contracts.scheduling import AppointmentKind

FIRST_YEAR, LAST_YEAR = 2000, 2200
"""Far enough from the ends of the calendar that a day more or less is never beyond them."""


def _within_reach(day: date) -> date:
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(f"Dates lie between {FIRST_YEAR} and {LAST_YEAR}.")
    return day


def _to_the_minute(moment: datetime) -> datetime:
    _within_reach(moment)
    if moment.second or moment.microsecond:
        raise ValueError("Times are whole minutes.")
    return moment


Date = Annotated[date, AfterValidator(_within_reach)]
Minute = Annotated[AwareDatetime, AfterValidator(_to_the_minute)]
Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
Note = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)]
Reason = Literal["patient", "clinic", "illness", "transport", "fasting", "other"]


LONGEST_ABSENCE = timedelta(days=92)


class Body(BaseModel):
    """What a caller sends; unknown fields are refused by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Booking(Body):
    """A consultation to book. Without `provider_id` whoever is free."""

    patient_id: UUID
    starts_at: Minute
    mode: Literal["in_person", "video", "phone"] = "in_person"
    provider_id: Id | None = None


class Cancelling(Body):
    """Why it will not take place; `note` in the words of who cancels."""

    reason: Reason
    note: Note | None = None


class Moving(Body):
    """Where it goes, and to whom; with its own time it is handed to others and nothing else changes.

    `override` is a provider's reason for a gap longer than the policy's. With `revision` it is refused where it was
    changed since.
    """

    starts_at: Minute
    reason: Reason
    provider_id: Id | None = None
    monitor_id: Id | None = None
    override: Note | None = None
    revision: Annotated[int, Field(ge=0)] | None = None


class SessionView(BaseModel):
    """What a session has besides."""

    course_id: UUID
    approval_id: UUID
    number: int
    of: int
    route: str
    dose_at: datetime
    room_until: datetime

    @classmethod
    def of_session(cls, session: Session, tz: ZoneInfo) -> Self:
        return cls(
            course_id=session.course_id,
            approval_id=session.approval_id,
            number=session.number,
            of=session.of,
            route=session.route.value,
            dose_at=session.dose_at.astimezone(tz),
            room_until=session.room_until.astimezone(tz),
        )


class AppointmentView(BaseModel):
    """An appointment as callers see it."""

    id: UUID
    patient_id: UUID
    kind: AppointmentKind
    state: str
    starts_at: datetime
    ends_at: datetime
    zone: str
    provider_id: str
    room_id: str | None
    monitor_id: str | None
    mode: str
    booked_by: str
    revision: int
    session: SessionView | None

    @classmethod
    def of(cls, one: Appointment) -> Self:
        tz = ZoneInfo(one.zone)
        return cls(
            id=one.id,
            patient_id=one.patient_id,
            kind=one.kind,
            state=one.state.value,
            starts_at=one.starts_at.astimezone(tz),
            ends_at=one.ends_at.astimezone(tz),
            zone=one.zone,
            provider_id=one.provider_id,
            room_id=one.room_id,
            monitor_id=one.monitor_id,
            mode=one.mode,
            booked_by=one.booked_by,
            revision=one.revision,
            session=SessionView.of_session(one.session, tz) if one.session else None,
        )


class CourseView(BaseModel):
    """A course under an approval: "pending", "planned", "infeasible" with its reasons, or "stopped".

    One that is "pending" with the reason "concern-open" waits until a clinician has cleared a safety concern.
    """

    course_id: UUID
    approval_id: UUID
    state: str
    reasons: tuple[str, ...]
    route: str
    sessions: int
    valid_until: datetime
    approval: str


class PatientCalendar(BaseModel):
    """Everything booked for one person, in order of time, under all ids that mean them."""

    appointments: list[AppointmentView]
    courses: list[CourseView]


class Noting(Body):
    """Who is away, from when to when."""

    person_id: Id
    starts_at: Minute
    ends_at: Minute

    @model_validator(mode="after")
    def _some_time(self) -> Self:
        if not self.starts_at < self.ends_at <= self.starts_at + LONGEST_ABSENCE:
            raise ValueError(f"Somebody is away for some time, {LONGEST_ABSENCE.days} days at most.")
        return self


class AbsenceView(BaseModel):
    """Somebody is away. `noted_by` wrote it down here; without, another system's calendar says so.

    `in_the_way` are the appointments that stand in that time.
    """

    id: UUID
    person_id: str
    starts_at: datetime
    ends_at: datetime
    noted_by: str | None
    in_the_way: list[UUID]

    @classmethod
    def of(cls, one: Absence, tz: ZoneInfo) -> Self:
        return cls(
            id=one.id,
            person_id=one.person_id,
            starts_at=one.starts_at.astimezone(tz),
            ends_at=one.ends_at.astimezone(tz),
            noted_by=one.noted_by,
            in_the_way=list(one.in_the_way),
        )


class Absences(BaseModel):
    """In order of time."""

    absences: list[AbsenceView]


class StandInView(BaseModel):
    """Somebody who may do it: "free", or why they can't ("booked", "away", "off")."""

    person_id: str
    standing: str


class PartView(BaseModel):
    """One person's part in an appointment, who has it, whether they are away then, and who could take it over."""

    part: Literal["provider", "monitor"]
    person_id: str
    away: bool
    others: list[StandInView]

    @classmethod
    def of(cls, one: Part) -> Self:
        others = [StandInView(person_id=it.person_id, standing=it.standing) for it in one.others]
        return cls(part=one.part, person_id=one.person_id, away=one.away, others=others)


class StandInsView(BaseModel):
    """Who could take over whose part of an appointment, at its own time."""

    appointment: AppointmentView
    parts: list[PartView]


class OfferView(BaseModel):
    """A time that can be had. `provider_ids` are all who are free then, the preferred first."""

    starts_at: datetime
    ends_at: datetime
    provider_ids: list[str]
    room_id: str | None
    monitor_id: str | None = None

    @classmethod
    def of_offer(cls, offer: Offer, tz: ZoneInfo) -> Self:
        return cls(
            starts_at=offer.starts_at.astimezone(tz),
            ends_at=offer.ends_at.astimezone(tz),
            provider_ids=[house.plain(one) for one in offer.providers],
            room_id=offer.room and house.plain(offer.room),
        )

    @classmethod
    def of_slot(cls, slot: Slot, tz: ZoneInfo) -> Self:
        return cls(
            starts_at=slot.at.starts_at.astimezone(tz),
            ends_at=slot.at.ends_at.astimezone(tz),
            provider_ids=[house.plain(slot.prescriber)],
            room_id=house.plain(slot.room),
            monitor_id=house.plain(slot.monitor),
        )


class Offers(BaseModel):
    """The free times of some days from `first` on, in order of time."""

    kind: AppointmentKind
    zone: str
    first: date
    days: int
    offers: list[OfferView]


class Day(BaseModel):
    """One local date: what takes place, when the clinic is open, and who is away. Cancelled ones are left out."""

    day: date
    zone: str
    closed_because: str | None
    opening: list[tuple[datetime, datetime]]
    appointments: list[AppointmentView]
    away: list[AbsenceView]
