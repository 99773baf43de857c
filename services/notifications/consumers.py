"""Events in: this event, that handler."""

from services.notifications.handlers import answers, escorts, people, visits
from shared.consuming import Consumes
from shared.contracts.assessment import AlternativeRecommended, CandidateDeclined, MoreInformationRequested
from shared.contracts.envelope import Envelope
from shared.contracts.intake import (
    ConsentGiven,
    ConsentRevoked,
    LeadClosed,
    LeadCreated,
    LeadMerged,
    LeadUnmerged,
    LeadUpdated,
    MessageReceived,
    NumberOptedIn,
    NumberOptedOut,
    PatientErased,
)
from shared.contracts.scheduling import (
    AppointmentCancelled,
    AppointmentNoShow,
    AppointmentRescheduled,
    ConsultationScheduled,
    SessionCompleted,
    SessionScheduled,
)
from shared.uow import UnitOfWork

consumes = Consumes()


@consumes(LeadCreated)
async def on_lead_created(uow: UnitOfWork, event: LeadCreated, _at: Envelope) -> None:
    await people.welcome(uow, event)


@consumes(LeadUpdated)
async def on_lead_updated(uow: UnitOfWork, event: LeadUpdated, at: Envelope) -> None:
    await people.change(uow, event, at)


@consumes(LeadMerged)
async def on_lead_merged(uow: UnitOfWork, event: LeadMerged, _at: Envelope) -> None:
    await people.merge(uow, event)


@consumes(LeadUnmerged)
async def on_lead_unmerged(uow: UnitOfWork, event: LeadUnmerged, _at: Envelope) -> None:
    await people.unmerge(uow, event)


@consumes(LeadClosed)
async def on_lead_closed(uow: UnitOfWork, event: LeadClosed, _at: Envelope) -> None:
    await people.close(uow, event)


@consumes(ConsentGiven)
async def on_consent_given(uow: UnitOfWork, event: ConsentGiven, _at: Envelope) -> None:
    await people.allow(uow, event)


@consumes(ConsentRevoked)
async def on_consent_revoked(uow: UnitOfWork, event: ConsentRevoked, at: Envelope) -> None:
    await people.revoke(uow, event, at)


@consumes(NumberOptedOut)
async def on_number_opted_out(uow: UnitOfWork, event: NumberOptedOut, _at: Envelope) -> None:
    await escorts.opt_out(uow, event)


@consumes(NumberOptedIn)
async def on_number_opted_in(uow: UnitOfWork, event: NumberOptedIn, _at: Envelope) -> None:
    await escorts.opt_in(uow, event)


@consumes(PatientErased)
async def on_patient_erased(uow: UnitOfWork, event: PatientErased, _at: Envelope) -> None:
    await people.forget(uow, event)


@consumes(MessageReceived)
async def on_message_received(uow: UnitOfWork, event: MessageReceived, _at: Envelope) -> None:
    await answers.hear(uow, event)


@consumes(ConsultationScheduled)
async def on_consultation_scheduled(uow: UnitOfWork, event: ConsultationScheduled, _at: Envelope) -> None:
    await visits.book_consultation(uow, event)


@consumes(SessionScheduled)
async def on_session_scheduled(uow: UnitOfWork, event: SessionScheduled, _at: Envelope) -> None:
    await visits.book_session(uow, event)


@consumes(AppointmentRescheduled)
async def on_rescheduled(uow: UnitOfWork, event: AppointmentRescheduled, _at: Envelope) -> None:
    await visits.move(uow, event)


@consumes(AppointmentCancelled)
async def on_cancelled(uow: UnitOfWork, event: AppointmentCancelled, _at: Envelope) -> None:
    await visits.cancel(uow, event)


@consumes(AppointmentNoShow)
async def on_no_show(uow: UnitOfWork, event: AppointmentNoShow, _at: Envelope) -> None:
    await visits.miss(uow, event)


@consumes(SessionCompleted)
async def on_session_completed(uow: UnitOfWork, event: SessionCompleted, _at: Envelope) -> None:
    await visits.complete(uow, event)


@consumes(AlternativeRecommended)
async def on_alternative(uow: UnitOfWork, event: AlternativeRecommended, _at: Envelope) -> None:
    await people.tell_decision(uow, event)


@consumes(MoreInformationRequested)
async def on_more_information(uow: UnitOfWork, event: MoreInformationRequested, _at: Envelope) -> None:
    await people.tell_decision(uow, event)


@consumes(CandidateDeclined)
async def on_declined(uow: UnitOfWork, event: CandidateDeclined, _at: Envelope) -> None:
    await people.tell_decision(uow, event)
