"""Every event of every producer, by its CloudEvents type."""

from shared.contracts import assessment, intake, notifications, scheduling, tasks
from shared.contracts.base import Event, Source

_TASKS: tuple[type[Event], ...] = (tasks.TaskRaised, tasks.TaskClosed)

EVENTS: dict[Source, tuple[type[Event], ...]] = {
    "intake": (
        intake.LeadCreated,
        intake.LeadUpdated,
        intake.LeadMerged,
        intake.LeadUnmerged,
        intake.LeadClosed,
        intake.MessageReceived,
        intake.ConsentGiven,
        intake.ConsentRevoked,
        intake.NumberOptedOut,
        intake.NumberOptedIn,
        intake.ExternalBookingReceived,
        intake.ExternalBusyChanged,
        intake.PatientErased,
        *_TASKS,
    ),
    "assessment": (
        assessment.InsuranceVerified,
        assessment.AssessmentCompleted,
        assessment.CandidateApproved,
        assessment.CandidateDeclined,
        assessment.AlternativeRecommended,
        assessment.MoreInformationRequested,
        assessment.ApprovalRevoked,
        assessment.ApprovalExpired,
        assessment.VitalsRecorded,
        assessment.SideEffectReported,
        assessment.OutcomeMeasured,
        assessment.SafetyConcernRaised,
        assessment.SafetyConcernCleared,
        assessment.TreatmentConsentSigned,
        assessment.TreatmentConsentWithdrawn,
        assessment.ChartReopened,
        *_TASKS,
    ),
    "scheduling": (
        scheduling.ConsultationScheduled,
        scheduling.SessionScheduled,
        scheduling.AppointmentRescheduled,
        scheduling.AppointmentCancelled,
        scheduling.AppointmentNoShow,
        scheduling.SessionCheckedIn,
        scheduling.SessionDosed,
        scheduling.SessionCompleted,
        scheduling.CoursePlanInfeasible,
        scheduling.SlotOffered,
        *_TASKS,
    ),
    "notifications": (
        notifications.MessageSent,
        notifications.MessageFailed,
        notifications.TransportConfirmed,
        notifications.TransportMissing,
        notifications.PrepConfirmed,
        notifications.QuestionAnswered,
        *_TASKS,
    ),
}

BY_TYPE: dict[str, type[Event]] = {
    event.type_from(source): event for source, events in EVENTS.items() for event in events
}
