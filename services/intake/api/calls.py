"""The telephone door: who called the front desk, written down by a person."""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Depends

from services.intake.api.edge import attempt, key_reused, unusable
from services.intake.api.leads import LeadAccepted
from services.intake.api.producers import KeyDep
from services.intake.domain.contact import Unusable
from services.intake.handlers import leads
from services.intake.reading import read
from services.intake.repository.arrivals import Key
from shared.contracts.submissions import Submission
from shared.http.auth import Staff, staff
from shared.http.deps import ServiceDep

router = APIRouter(prefix="/api/v1", tags=["staff"])


@router.post("/calls", status_code=201)
async def take_call(
    body: Submission, service: ServiceDep, key: KeyDep, who: Annotated[Staff, Depends(staff("front_desk"))]
) -> LeadAccepted:
    """A caller becomes a contact like any other; consents are what they said yes to on the phone."""
    said = body.model_copy(update={"channel": "phone"})
    try:
        contact = read(said, service.clinic, service.clock.now())
    except Unusable as error:
        raise unusable(error.wrong) from error
    claim = Key("calls", key, hashlib.sha256(said.model_dump_json().encode()).digest())
    try:
        accepted = await attempt(service, who.actor, lambda uow: leads.accept(uow, contact, claim))
    except leads.KeyReused as error:
        raise key_reused() from error
    return LeadAccepted(patient_id=accepted.patient_id, answer_due=accepted.answer_due)
