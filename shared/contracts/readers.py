"""Who reads which event. A contract test holds this table against every service's `consumers.py`.

It is what the AsyncAPI documents say, and what tells the author of a change whom it would reach.
"""

from typing import Literal

from shared.contracts import assessment, intake, notifications, scheduling
from shared.contracts.base import Event, Source
from shared.contracts.registry import EVENTS

Reader = Literal["intake", "assessment", "scheduling", "notifications", "dashboard"]

_IDENTITY: tuple[type[Event], ...] = (
    intake.LeadCreated,
    intake.LeadMerged,
    intake.LeadUnmerged,
    intake.PatientErased,
)
"""Read by everyone but intake: they bring, join and take away a patient."""

READS: dict[Reader, tuple[type[Event], ...]] = {
    "intake": (scheduling.ConsultationScheduled, scheduling.SessionDosed),
    "assessment": _IDENTITY,
    "scheduling": (
        *_IDENTITY,
        intake.ExternalBookingReceived,
        intake.ExternalBusyChanged,
        assessment.CandidateApproved,
        assessment.ApprovalRevoked,
        assessment.ApprovalExpired,
        assessment.TreatmentConsentSigned,
        assessment.TreatmentConsentWithdrawn,
        assessment.VitalsRecorded,
        assessment.SafetyConcernRaised,
        assessment.SafetyConcernCleared,
        notifications.TransportConfirmed,
        notifications.TransportMissing,
        notifications.PrepConfirmed,
    ),
    "notifications": (
        *_IDENTITY,
        intake.LeadUpdated,
        intake.LeadClosed,
        intake.ConsentGiven,
        intake.ConsentRevoked,
        intake.NumberOptedOut,
        intake.NumberOptedIn,
        intake.MessageReceived,
        assessment.AlternativeRecommended,
        assessment.MoreInformationRequested,
        assessment.CandidateDeclined,
        scheduling.ConsultationScheduled,
        scheduling.SessionScheduled,
        scheduling.AppointmentRescheduled,
        scheduling.AppointmentCancelled,
        scheduling.AppointmentNoShow,
        scheduling.SessionCompleted,
    ),
    "dashboard": tuple(dict.fromkeys(event for events in EVENTS.values() for event in events)),
}


def read_from(reader: Reader) -> dict[Source, tuple[type[Event], ...]]:
    """What a service reads, by the producer's topic."""
    found = {source: tuple(event for event in READS[reader] if event in EVENTS[source]) for source in EVENTS}
    return {source: events for source, events in found.items() if events}


def readers_of(source: Source, event: str) -> list[str]:
    """Who reads the event of this name from this producer."""
    return [reader for reader in READS if any(one.__name__ == event for one in read_from(reader).get(source, ()))]
