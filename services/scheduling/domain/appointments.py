"""The life of an appointment. Each transition returns the appointment as it is then, and the event that says so.

    booked ⇄ held     booked, held → checked-in → dosed → completed
    booked, held, checked-in → cancelled          booked, held → no-show

A consultation goes from booked to completed, cancelled or no-show. What was dosed can only be completed.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from shared.contracts.assessment import Route
from shared.contracts.scheduling import (
    AppointmentCancelled,
    AppointmentKind,
    AppointmentNoShow,
    AppointmentRescheduled,
    ConsultationScheduled,
    SessionCheckedIn,
    SessionCompleted,
    SessionDosed,
    SessionScheduled,
)

Mode = Literal["in_person", "video", "phone"]
BookedBy = Literal["staff", "patient", "external"]


class State(StrEnum):
    """Where an appointment stands."""

    BOOKED = "booked"
    HELD = "held"
    CHECKED_IN = "checked-in"
    DOSED = "dosed"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    NO_SHOW = "no-show"


NEXT: dict[State, frozenset[State]] = {
    State.BOOKED: frozenset({State.HELD, State.CHECKED_IN, State.COMPLETED, State.CANCELLED, State.NO_SHOW}),
    State.HELD: frozenset({State.BOOKED, State.CHECKED_IN, State.CANCELLED, State.NO_SHOW}),
    State.CHECKED_IN: frozenset({State.DOSED, State.COMPLETED, State.CANCELLED}),
    State.DOSED: frozenset({State.COMPLETED}),
    State.COMPLETED: frozenset(),
    State.CANCELLED: frozenset(),
    State.NO_SHOW: frozenset(),
}
AHEAD = frozenset({State.BOOKED, State.HELD, State.CHECKED_IN})
"""Not yet dosed, not yet over: what a revoked approval cancels."""
MOVABLE = frozenset({State.BOOKED, State.HELD})


class IllegalTransition(Exception):
    """The appointment is past the point where this was possible."""

    def __init__(self, appointment_id: UUID, state: State, wanted: str) -> None:
        super().__init__(f"an appointment that is {state} can't become {wanted}")
        self.appointment_id = appointment_id
        self.state = state
        self.wanted = wanted


@dataclass(frozen=True, slots=True)
class Session:
    """What a session has besides any appointment. `approval_id` is the signature under which it takes place."""

    course_id: UUID
    approval_id: UUID
    number: int
    of: int
    route: Route
    dose_at: datetime
    room_until: datetime


@dataclass(frozen=True, slots=True)
class Appointment:
    """Times in UTC; `zone` is where they were meant. Ids of rooms and people are the clinic's.

    `provider_id` is who holds a consultation, and who prescribes in a session.
    """

    id: UUID
    patient_id: UUID
    kind: AppointmentKind
    state: State
    starts_at: datetime
    ends_at: datetime
    zone: str
    provider_id: str
    room_id: str | None
    monitor_id: str | None
    mode: Mode
    booked_by: BookedBy
    revision: int
    policy_hash: str
    session: Session | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """Where an appointment goes. `dose_at` and `room_until` are for sessions."""

    starts_at: datetime
    ends_at: datetime
    provider_id: str
    room_id: str | None
    monitor_id: str | None = None
    dose_at: datetime | None = None
    room_until: datetime | None = None


def consultation_scheduled(booked: Appointment) -> ConsultationScheduled:
    """The fact that a new consultation stands."""
    return ConsultationScheduled(
        patient_id=booked.patient_id,
        appointment_id=booked.id,
        starts_at=booked.starts_at,
        ends_at=booked.ends_at,
        zone=booked.zone,
        provider_id=booked.provider_id,
        room_id=booked.room_id,
        mode=booked.mode,
        booked_by=booked.booked_by,
        policy_hash=booked.policy_hash,
    )


def session_scheduled(booked: Appointment) -> SessionScheduled:
    """The fact that a new session stands."""
    session = _session(booked)
    if booked.room_id is None or booked.monitor_id is None:
        raise ValueError(f"session {booked.id} lacks a room or a monitor")
    return SessionScheduled(
        patient_id=booked.patient_id,
        appointment_id=booked.id,
        course_id=session.course_id,
        approval_id=session.approval_id,
        number=session.number,
        of=session.of,
        route=session.route,
        starts_at=booked.starts_at,
        dose_at=session.dose_at,
        ends_at=booked.ends_at,
        room_until=session.room_until,
        zone=booked.zone,
        room_id=booked.room_id,
        monitor_id=booked.monitor_id,
        prescriber_id=booked.provider_id,
        policy_hash=booked.policy_hash,
    )


def reschedule(
    appointment: Appointment, to: Move, *, reason: str, policy_hash: str
) -> tuple[Appointment, AppointmentRescheduled]:
    """The same appointment elsewhere in time, or with others. A hold was for its time and ends with it.

    Raises:
        IllegalTransition: the patient has come, or it is over.
    """
    if appointment.state not in MOVABLE:
        raise IllegalTransition(appointment.id, appointment.state, "rescheduled")
    session = appointment.session
    if session is not None:
        if to.dose_at is None or to.room_until is None:
            raise ValueError("a session moves with its dose and its room")
        session = replace(session, dose_at=to.dose_at, room_until=to.room_until)
    moved = replace(
        appointment,
        state=appointment.state if to.starts_at == appointment.starts_at else State.BOOKED,
        starts_at=to.starts_at,
        ends_at=to.ends_at,
        provider_id=to.provider_id,
        room_id=to.room_id,
        monitor_id=to.monitor_id,
        revision=appointment.revision + 1,
        policy_hash=policy_hash,
        session=session,
    )
    return moved, AppointmentRescheduled(
        patient_id=moved.patient_id,
        appointment_id=moved.id,
        kind=moved.kind,
        revision=moved.revision,
        was_at=appointment.starts_at,
        starts_at=moved.starts_at,
        dose_at=to.dose_at,
        ends_at=moved.ends_at,
        zone=moved.zone,
        room_id=moved.room_id,
        provider_id=moved.provider_id,
        monitor_id=moved.monitor_id,
        reason=reason,
    )


def cancel(appointment: Appointment, *, reason: str, note: str | None) -> tuple[Appointment, AppointmentCancelled]:
    """It will not take place. `note` is sealed already.

    Raises:
        IllegalTransition: it is over, or the medicine was given.
    """
    return _become(appointment, State.CANCELLED), AppointmentCancelled(
        patient_id=appointment.patient_id,
        appointment_id=appointment.id,
        kind=appointment.kind,
        starts_at=appointment.starts_at,
        reason=reason,
        note=note,
    )


def no_show(appointment: Appointment, *, now: datetime) -> tuple[Appointment, AppointmentNoShow]:
    """The patient did not come. Only once it should have begun.

    Raises:
        IllegalTransition: it has not begun, the patient is here, or it is over.
    """
    if now < appointment.starts_at:
        raise IllegalTransition(appointment.id, appointment.state, State.NO_SHOW)
    return _become(appointment, State.NO_SHOW), AppointmentNoShow(
        patient_id=appointment.patient_id,
        appointment_id=appointment.id,
        kind=appointment.kind,
        starts_at=appointment.starts_at,
    )


def hold(appointment: Appointment) -> Appointment:
    """No ride home: it stands, but is not to begin."""
    return _become(appointment, State.HELD)


def release(appointment: Appointment) -> Appointment:
    """The ride was found."""
    return _become(appointment, State.BOOKED)


def check_in(
    appointment: Appointment, *, now: datetime, gates: tuple[str, ...], overridden: tuple[str, ...]
) -> tuple[Appointment, SessionCheckedIn]:
    """The patient is here. `gates` still stand open; a held session may begin once its gates let it.

    Raises:
        IllegalTransition: they are here already, or it is over.
    """
    return _become(appointment, State.CHECKED_IN), SessionCheckedIn(
        patient_id=appointment.patient_id,
        appointment_id=appointment.id,
        checked_in_at=now,
        gates=gates,
        overridden=overridden,
    )


def dose(
    appointment: Appointment, *, now: datetime, prescriber_id: str, overridden: tuple[str, ...]
) -> tuple[Appointment, SessionDosed]:
    """The medicine was given.

    Raises:
        IllegalTransition: the patient is not here, or it was given already.
    """
    return _become(appointment, State.DOSED), SessionDosed(
        patient_id=appointment.patient_id,
        appointment_id=appointment.id,
        dosed_at=now,
        prescriber_id=prescriber_id,
        overridden=overridden,
    )


def complete(appointment: Appointment, *, now: datetime, escort_present: bool) -> tuple[Appointment, SessionCompleted]:
    """The patient went home.

    Raises:
        IllegalTransition: nothing was given.
    """
    session = _session(appointment)
    if appointment.state is not State.DOSED:
        raise IllegalTransition(appointment.id, appointment.state, State.COMPLETED)
    return _become(appointment, State.COMPLETED), SessionCompleted(
        patient_id=appointment.patient_id,
        appointment_id=appointment.id,
        number=session.number,
        of=session.of,
        discharged_at=now,
        escort_present=escort_present,
    )


def _become(appointment: Appointment, state: State) -> Appointment:
    if state not in NEXT[appointment.state]:
        raise IllegalTransition(appointment.id, appointment.state, state)
    return replace(appointment, state=state)


def _session(appointment: Appointment) -> Session:
    if appointment.session is None:
        raise ValueError(f"appointment {appointment.id} is no session")
    return appointment.session
