"""Events in: which event goes to which handler, nothing else."""

from services.scheduling.handlers import courses, following
from shared.consuming import Consumes
from shared.contracts.assessment import ApprovalExpired, ApprovalRevoked, CandidateApproved
from shared.contracts.envelope import Envelope
from shared.contracts.intake import ExternalBusyChanged, LeadCreated, LeadMerged, LeadUnmerged, PatientErased
from shared.contracts.notifications import TransportConfirmed, TransportMissing
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
