"""Folding an event into its producer's facts. An event that changes nothing shown returns the facts as they are."""

from datetime import datetime
from typing import TypeVar
from uuid import UUID

from services.dashboard.domain.facts import (
    Answer,
    Appointment,
    Approval,
    Assessment,
    Concern,
    Decided,
    Decision,
    Intake,
    Notifications,
    Ride,
    Scheduling,
    Score,
)
from shared.contracts import assessment as a
from shared.contracts import intake as i
from shared.contracts import notifications as n
from shared.contracts import scheduling as s
from shared.contracts.base import Contract, Event, Source

Facts = Intake | Assessment | Scheduling | Notifications
F = TypeVar("F", bound=Contract)
MODELS: dict[Source, type[Facts]] = {
    "intake": Intake,
    "assessment": Assessment,
    "scheduling": Scheduling,
    "notifications": Notifications,
}


def fold(facts: Facts, event: Event, at: datetime) -> Facts:
    """The facts after this event; `at` is the event's own time."""
    match facts:
        case Intake():
            return _intake(facts, event, at)
        case Assessment():
            return _assessment(facts, event, at)
        case Scheduling():
            return _scheduling(facts, event, at)
        case Notifications():
            return _notifications(facts, event)


def _with(facts: F, **changes: object) -> F:
    return facts.model_copy(update=changes)


def _intake(facts: Intake, event: Event, at: datetime) -> Intake:
    match event:
        case i.LeadCreated():
            return _with(
                facts,
                created_at=at,
                channel=event.channel.value,
                language=event.language,
                name=event.name,
                contact=event.contact,
                message=event.message,
                has_phone=event.has_phone,
                has_email=event.has_email,
                answer_due=event.answer_due,
                consents=tuple(sorted({*facts.consents, *(kind.value for kind in event.consents)})),
            )
        case i.LeadUpdated():
            names = ("name", "contact", "has_phone", "has_email", "language", "date_of_birth", "message", "answer_due")
            told = {name: value for name in names if (value := getattr(event, name)) is not None}
            told |= dict.fromkeys({"name", "date_of_birth"} & set(event.changed) - set(told))  # what staff emptied
            door = {"said_by": event.channel.value} if event.message and event.channel else {}
            # Who makes contact again is followed again; a number that staff corrected is no contact.
            closed = None if "reopened" in event.changed or event.channel else facts.closed
            return _with(facts, closed=closed, **told, **door)
        case i.LeadClosed():
            return _with(facts, closed=event.reason)
        case i.MessageReceived():
            return _with(facts, message=event.body, said_by=event.channel.value, closed=None)
        case i.ConsentGiven():
            return _with(facts, consents=tuple(sorted({*facts.consents, event.kind.value})))
        case i.ConsentRevoked():
            return _with(facts, consents=tuple(kind for kind in facts.consents if kind != event.kind.value))
        case i.ExternalBookingReceived():
            return _with(facts, external_at=event.starts_at if event.status != "cancelled" else None, closed=None)
        case i.PatientErased():
            return Intake(created_at=facts.created_at, erased=True)
        case _:
            return facts


def _assessment(facts: Assessment, event: Event, at: datetime) -> Assessment:
    match event:
        case a.InsuranceVerified():
            return _with(facts, insurance=event.status)
        case a.AssessmentCompleted():
            return _with(facts, awaiting=True, completed_at=at, flags=event.flags)
        case a.CandidateApproved():
            approval = Approval(
                approval_id=event.approval_id,
                route=event.route.value,
                sessions=event.sessions,
                provider_id=event.provider_id,
                signed_at=event.signed_at,
                valid_until=event.valid_until,
            )
            return _with(_decided(facts, "approved", event.provider_id, event.signed_at), approval=approval)
        case a.CandidateDeclined():
            return _decided(facts, "declined", event.provider_id, event.signed_at)
        case a.AlternativeRecommended():
            follow_up = event.follow_up_on.isoformat() if event.follow_up_on else None
            return _decided(
                facts, "alternative", event.provider_id, event.signed_at, event.alternative.value, follow_up
            )
        case a.MoreInformationRequested():
            return _decided(facts, "more_information", event.provider_id, event.signed_at)
        case a.ApprovalRevoked():
            return _ended(facts, event.approval_id, event.reason)
        case a.ApprovalExpired():
            return _ended(facts, event.approval_id, "expired")
        case a.OutcomeMeasured():
            known = facts.scores.get(event.instrument)
            score = Score(total=event.total, before=known.total if known else None)
            return _with(facts, scores={**facts.scores, event.instrument: score})
        case a.ChartReopened():
            by = facts.decision.by if facts.decision else ""
            return _decided(facts, "reopened", by, event.reopened_at)
        case _:
            return _safety_and_consent(facts, event)


def _safety_and_consent(facts: Assessment, event: Event) -> Assessment:
    match event:
        case a.SafetyConcernRaised():
            concern = Concern(kind=event.kind, level=event.level, raised_at=event.raised_at)
            return _with(facts, concerns={**facts.concerns, event.concern_id: concern})
        case a.SafetyConcernCleared():
            return _with(facts, concerns={k: v for k, v in facts.concerns.items() if k != event.concern_id})
        case a.TreatmentConsentSigned():
            return _with(facts, signed=tuple(sorted({*facts.signed, event.route.value})))
        case a.TreatmentConsentWithdrawn():
            return _with(facts, signed=tuple(route for route in facts.signed if route != event.route.value))
        case _:
            return facts


def _decided(
    facts: Assessment,
    kind: Decided,
    by: str,
    at: datetime,
    other: str | None = None,
    follow_up: str | None = None,
) -> Assessment:
    decision = Decision(kind=kind, by=by, at=at, alternative=other, follow_up_on=follow_up)
    return _with(facts, awaiting=False, decision=decision)


def _ended(facts: Assessment, approval_id: UUID, reason: str) -> Assessment:
    if facts.approval is None or facts.approval.approval_id != approval_id:
        return facts
    return _with(facts, approval=_with(facts.approval, ended=reason))


def _scheduling(facts: Scheduling, event: Event, at: datetime) -> Scheduling:
    match event:
        case s.ConsultationScheduled():
            return _put(
                facts,
                event.appointment_id,
                Appointment(
                    kind="consultation",
                    starts_at=event.starts_at,
                    ends_at=event.ends_at,
                    provider_id=event.provider_id,
                    room_id=event.room_id,
                    mode=event.mode,
                ),
            )
        case s.SessionScheduled():
            booked = Appointment(
                kind="session",
                starts_at=event.starts_at,
                ends_at=event.ends_at,
                provider_id=event.prescriber_id,
                monitor_id=event.monitor_id,
                room_id=event.room_id,
                route=event.route.value,
                number=event.number,
                of=event.of,
            )
            return _put(_with(facts, infeasible=()), event.appointment_id, booked)
        case s.AppointmentRescheduled():
            known = facts.appointments.get(event.appointment_id)
            fresh = known or Appointment(kind=event.kind.value, starts_at=event.starts_at, ends_at=event.ends_at)
            told = {name: value for name in ("room_id", "provider_id", "monitor_id") if (value := getattr(event, name))}
            told |= {"moved_at": at} if event.starts_at != event.was_at else {}  # handed to others, it is as it was
            moved = _with(fresh, standing="booked", starts_at=event.starts_at, ends_at=event.ends_at, **told)
            return _put(facts, event.appointment_id, moved)
        case s.AppointmentCancelled():
            return _stands(facts, event.appointment_id, "cancelled")
        case s.AppointmentNoShow():
            return _stands(facts, event.appointment_id, "no_show")
        case s.SessionCheckedIn():
            return _stands(facts, event.appointment_id, "checked_in")
        case s.SessionDosed():
            return _stands(facts, event.appointment_id, "dosed")
        case s.SessionCompleted():
            return _stands(facts, event.appointment_id, "completed")
        case s.CoursePlanInfeasible():
            return _with(facts, infeasible=event.reasons or ("unknown",))
        case _:
            return facts


def _put(facts: Scheduling, appointment_id: UUID, appointment: Appointment) -> Scheduling:
    return _with(facts, appointments={**facts.appointments, appointment_id: appointment})


def _stands(facts: Scheduling, appointment_id: UUID, standing: str) -> Scheduling:
    known = facts.appointments.get(appointment_id)
    return facts if known is None else _put(facts, appointment_id, _with(known, standing=standing))


def _notifications(facts: Notifications, event: Event) -> Notifications:
    match event:
        case n.MessageSent():
            return _with(facts, sent=facts.sent + 1)
        case n.MessageFailed():
            return _with(facts, failed={**facts.failed, event.message_id: event.reason})
        case n.TransportConfirmed():
            had = facts.rides.get(event.appointment_id)
            same = (
                had is not None and had.agreed and (had.escort, had.starts_at) == (event.escort, event.starts_at)
            )  # of another time, whoever comes has not said it
            ride = Ride(
                state="confirmed",
                escort=event.escort,
                agreed=same or event.by == "escort",
                at=event.confirmed_at,
                starts_at=event.starts_at,
            )
            return _with(facts, rides={**facts.rides, event.appointment_id: ride})
        case n.TransportMissing():
            missing = Ride(state="missing", starts_at=event.starts_at)
            return _with(facts, rides={**facts.rides, event.appointment_id: missing})
        case n.PrepConfirmed():
            answer = Answer(ok=event.ok, at=event.answered_at, starts_at=event.starts_at)
            items = {**facts.prep.get(event.appointment_id, {}), event.item: answer}
            return _with(facts, prep={**facts.prep, event.appointment_id: items})
        case _:
            return facts
