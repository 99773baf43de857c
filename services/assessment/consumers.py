"""Events in."""

from services.assessment.handlers import opening
from shared.consuming import Consumes
from shared.contracts.envelope import Envelope
from shared.contracts.intake import LeadCreated, LeadMerged, LeadUnmerged, PatientErased
from shared.uow import UnitOfWork

consumes = Consumes()


@consumes(LeadCreated)
async def on_lead_created(uow: UnitOfWork, event: LeadCreated, _at: Envelope) -> None:
    await opening.open_chart(uow, event)


@consumes(LeadMerged)
async def on_lead_merged(uow: UnitOfWork, event: LeadMerged, _at: Envelope) -> None:
    await opening.follow_merge(uow, event)


@consumes(LeadUnmerged)
async def on_lead_unmerged(uow: UnitOfWork, event: LeadUnmerged, _at: Envelope) -> None:
    await opening.undo_merge(uow, event)


@consumes(PatientErased)
async def on_patient_erased(uow: UnitOfWork, event: PatientErased, _at: Envelope) -> None:
    await opening.forget(uow, event)
