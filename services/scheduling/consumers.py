"""Events in: which event goes to which handler, nothing else."""

from services.scheduling.handlers import courses, external, facts, following
from shared.consuming import Consumes
from shared.contracts.assessment import (
    ApprovalExpired,
    ApprovalRevoked,
    CandidateApproved,
    SafetyConcernCleared,
    SafetyConcernRaised,
    TreatmentConsentSigned,
    TreatmentConsentWithdrawn,
    VitalsRecorded,
)
from shared.contracts.envelope import Envelope
from shared.contracts.intake import (
    ExternalBookingReceived,
    ExternalBusyChanged,
    LeadCreated,
    LeadMerged,
    LeadUnmerged,
    PatientErased,
)
from shared.contracts.notifications import PrepConfirmed, TransportConfirmed, TransportMissing
from shared.uow import UnitOfWork

consumes = Consumes()


@consumes(LeadCreated)
async def on_lead_created(uow: UnitOfWork, event: LeadCreated, _at: Envelope) -> None:
    await following.know(uow, event)


@consumes(LeadMerged)
async def on_lead_merged(uow: UnitOfWork, event: LeadMerged, _at: Envelope) -> None:
    await following.merge(uow, event)


@consumes(LeadUnmerged)
async def on_lead_unmerged(uow: UnitOfWork, event: LeadUnmerged, _at: Envelope) -> None:
    await following.unmerge(uow, event)


@consumes(PatientErased)
async def on_patient_erased(uow: UnitOfWork, event: PatientErased, _at: Envelope) -> None:
    await following.erase(uow, event)


@consumes(ExternalBookingReceived)
async def on_external_booking_received(uow: UnitOfWork, event: ExternalBookingReceived, _at: Envelope) -> None:
    await external.follow(uow, event)


@consumes(ExternalBusyChanged)
async def on_external_busy_changed(uow: UnitOfWork, event: ExternalBusyChanged, _at: Envelope) -> None:
    await following.busy(uow, event)


@consumes(CandidateApproved)
async def on_candidate_approved(uow: UnitOfWork, event: CandidateApproved, at: Envelope) -> None:
    await courses.order(uow, event, at)


@consumes(ApprovalRevoked)
async def on_approval_revoked(uow: UnitOfWork, event: ApprovalRevoked, _at: Envelope) -> None:
    await following.revoke(uow, event)


@consumes(ApprovalExpired)
async def on_approval_expired(uow: UnitOfWork, event: ApprovalExpired, _at: Envelope) -> None:
    await following.expire(uow, event)


@consumes(TransportMissing)
async def on_transport_missing(uow: UnitOfWork, event: TransportMissing, _at: Envelope) -> None:
    await following.hold(uow, event)


@consumes(TransportConfirmed)
async def on_transport_confirmed(uow: UnitOfWork, event: TransportConfirmed, _at: Envelope) -> None:
    await following.release(uow, event)


@consumes(TreatmentConsentSigned)
async def on_consent_signed(uow: UnitOfWork, event: TreatmentConsentSigned, _at: Envelope) -> None:
    await facts.consent(uow, event)


@consumes(TreatmentConsentWithdrawn)
async def on_consent_withdrawn(uow: UnitOfWork, event: TreatmentConsentWithdrawn, _at: Envelope) -> None:
    await facts.withdraw(uow, event)


@consumes(SafetyConcernRaised)
async def on_concern_raised(uow: UnitOfWork, event: SafetyConcernRaised, _at: Envelope) -> None:
    await facts.worry(uow, event)


@consumes(SafetyConcernCleared)
async def on_concern_cleared(uow: UnitOfWork, event: SafetyConcernCleared, _at: Envelope) -> None:
    await facts.clear(uow, event)


@consumes(VitalsRecorded)
async def on_vitals_recorded(uow: UnitOfWork, event: VitalsRecorded, _at: Envelope) -> None:
    await facts.measure(uow, event)


@consumes(PrepConfirmed)
async def on_prep_confirmed(uow: UnitOfWork, event: PrepConfirmed, _at: Envelope) -> None:
    await facts.prepare(uow, event)
