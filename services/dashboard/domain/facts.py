"""What each producer has said about a patient, folded event by event.

The promise: a producer's facts depend on that producer's events alone, which arrive in order; what a page shows is
computed from the facts of all four. So the board ends in the same state under any interleaving of the topics.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field, model_validator

from shared.contracts.assessment import Flag
from shared.contracts.base import Contract, Sealed

Decided = Literal["approved", "declined", "alternative", "more_information", "reopened"]
Standing = Literal["booked", "checked_in", "dosed", "completed", "cancelled", "no_show"]


class Intake(Contract):
    """Who made contact, how, and what they allow. `message` is their newest words, `said_by` the door that
    they came by when it was not the first contact's.
    """

    created_at: datetime | None = None
    channel: str = ""
    language: str = ""
    name: Sealed | None = None
    contact: Sealed | None = None
    date_of_birth: Sealed | None = None
    message: Sealed | None = None
    said_by: str = ""
    has_phone: bool = False
    has_email: bool = False
    answer_due: datetime | None = None
    consents: tuple[str, ...] = ()
    closed: str | None = None
    erased: bool = False
    external_at: datetime | None = None


class Decision(Contract):
    """What a provider decided last, or that the chart was opened again after it."""

    kind: Decided
    by: str
    at: datetime
    alternative: str | None = None
    follow_up_on: str | None = None


class Approval(Contract):
    """The newest approval. `ended` says why it no longer holds."""

    approval_id: UUID
    route: str
    sessions: int
    provider_id: str
    signed_at: datetime
    valid_until: datetime
    ended: str | None = None


class Concern(Contract):
    """Somebody may be in danger."""

    kind: str
    level: str
    raised_at: datetime


class Score(Contract):
    """An instrument's newest total and the one before it."""

    total: int
    before: int | None = None


class Assessment(Contract):
    """What is known and decided. `awaiting`: a completed version has no decision yet."""

    insurance: str | None = None
    awaiting: bool = False
    completed_at: datetime | None = None
    flags: tuple[Flag, ...] = ()
    decision: Decision | None = None
    approval: Approval | None = None
    scores: dict[str, Score] = Field(default_factory=dict)
    concerns: dict[UUID, Concern] = Field(default_factory=dict)
    signed: tuple[str, ...] = ()
    """The routes whose consent is signed and current."""


class Appointment(Contract):
    """One appointment as it stands now."""

    kind: str
    standing: Standing = "booked"
    starts_at: datetime
    ends_at: datetime
    provider_id: str | None = None
    monitor_id: str | None = None
    room_id: str | None = None
    mode: str | None = None
    route: str | None = None
    number: int = 0
    of: int = 0
    moved_at: datetime | None = None
    """When it was last given another time; what was answered before that was about the old one."""

    @property
    def ahead(self) -> bool:
        """Whether it is still to be held, or being held."""
        return self.standing in {"booked", "checked_in", "dosed"}


class Scheduling(Contract):
    """What is booked, and why a course could not be."""

    appointments: dict[UUID, Appointment] = Field(default_factory=dict)
    infeasible: tuple[str, ...] = ()


class Ride(Contract):
    """The way home after an appointment: what was said of it, when, and for which time of the session."""

    state: Literal["confirmed", "missing"]
    escort: Sealed | None = None
    agreed: bool = False
    """The escort said so too."""
    at: datetime | None = None
    """When it was confirmed; one that is missing says no more than for which time."""
    starts_at: datetime | None = None


class Answer(Contract):
    """What was answered about one item of the preparation, when, and for which time of the session."""

    ok: bool
    at: datetime | None = None
    starts_at: datetime | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, kept: object) -> object:
        """A yes or no alone is how the facts held it before they said for which time it was."""
        return {"ok": kept} if isinstance(kept, bool) else kept


class Notifications(Contract):
    """What was said and answered. `prep` holds the answers of each appointment by item."""

    rides: dict[UUID, Ride] = Field(default_factory=dict)
    prep: dict[UUID, dict[str, Answer]] = Field(default_factory=dict)
    failed: dict[UUID, str] = Field(default_factory=dict)
    sent: int = 0


# Frozen, so all of whom nothing was said share them: one of each for every patient took a quarter of the memory.
_NOTHING = (Intake(), Assessment(), Scheduling(), Notifications())


class Patient(Contract):
    """Everything known of one patient, the contacts that were merged into them included."""

    patient_id: UUID
    intake: Intake = Field(default_factory=lambda: _NOTHING[0])
    assessment: Assessment = Field(default_factory=lambda: _NOTHING[1])
    scheduling: Scheduling = Field(default_factory=lambda: _NOTHING[2])
    notifications: Notifications = Field(default_factory=lambda: _NOTHING[3])

    def sessions(self) -> list[tuple[UUID, Appointment]]:
        """The course's sessions that were not cancelled, by time."""
        every = self.scheduling.appointments.items()
        live = [(key, it) for key, it in every if it.kind == "session" and it.standing != "cancelled"]
        return sorted(live, key=lambda pair: (pair[1].starts_at, pair[0]))

    def next_session(self) -> tuple[UUID, Appointment] | None:
        """The session that comes next or is being held."""
        return next((pair for pair in self.sessions() if pair[1].ahead), None)

    def prepared(self, key: UUID) -> dict[str, bool]:
        """What was answered about preparing for this appointment at the time that it has now.

        After a move it is asked again, and what was said of the old time counts no more.
        """
        booked = self.scheduling.appointments.get(key)
        answers = self.notifications.prep.get(key, {})
        return {item: it.ok for item, it in answers.items() if booked is None or _for_now(it, booked)}

    def ride(self, key: UUID) -> Ride | None:
        """The way home after this appointment at the time that it has now; None while nothing was said of it."""
        booked, ride = self.scheduling.appointments.get(key), self.notifications.rides.get(key)
        return ride if ride is None or booked is None or _for_now(ride, booked) else None

    def consultation(self) -> Appointment | None:
        """The newest consultation that was not cancelled."""
        every = self.scheduling.appointments.values()
        live = [it for it in every if it.kind == "consultation" and it.standing != "cancelled"]
        return max(live, key=lambda it: it.starts_at, default=None)

    def approved(self, now: datetime) -> Approval | None:
        """The approval that holds at `now`."""
        approval = self.assessment.approval
        return approval if approval and approval.ended is None and now < approval.valid_until else None

    def joined(self, absorbed: "Patient") -> "Patient":
        """This patient together with one who turned out to be the same: what they are called stays, the rest is added.

        Sealed words stay with their own person's key, so names and escorts of the absorbed one are not taken over.
        """
        theirs = absorbed.notifications
        rides = {key: ride.model_copy(update={"escort": None}) for key, ride in theirs.rides.items()}
        mine = self.assessment if self.assessment != Assessment() else absorbed.assessment
        return self.model_copy(
            update={
                "assessment": mine,
                "scheduling": Scheduling(
                    appointments={**absorbed.scheduling.appointments, **self.scheduling.appointments},
                    infeasible=self.scheduling.infeasible or absorbed.scheduling.infeasible,
                ),
                "notifications": Notifications(
                    rides={**rides, **self.notifications.rides},
                    prep={**theirs.prep, **self.notifications.prep},
                    failed={**theirs.failed, **self.notifications.failed},
                    sent=self.notifications.sent + theirs.sent,
                ),
            }
        )


def _for_now(said: Answer | Ride, booked: Appointment) -> bool:
    if said.starts_at not in (None, booked.starts_at):
        return False
    if booked.moved_at is None:
        return True
    return said.starts_at is not None if said.at is None else said.at > booked.moved_at
