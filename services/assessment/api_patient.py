"""HTTP in for staff, about the patient's own page: give out its link, take a consent back on the patient's word."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter

from services.assessment.api import Done, Writer, refusals
from services.assessment.handlers import consenting, telling
from services.assessment.views import View
from shared.audit import audit
from shared.contracts.assessment import Route
from shared.http.deps import ServiceDep

router = APIRouter(prefix="/api/v1/charts", tags=["the patient's page"])


class LinkView(View):
    """The patient's page. The address can't be had again: hand it over or make a new one."""

    url: str
    expires_at: datetime


@router.post("/{patient_id}/link", status_code=201)
async def link(patient_id: UUID, service: ServiceDep, who: Writer) -> LinkView:
    """A link to the page where the patient tells history, goals and what was tried, and signs."""
    with refusals():
        async with service.transaction(actor=who.actor) as uow:
            await audit(uow, action="write", what="chart.link", subject=patient_id)
            given = await telling.invite(uow, patient_id)
    return LinkView(url=f"{service.settings.public_url}/a/{given.token}", expires_at=given.expires_at)


@router.post("/{patient_id}/consents/{route}/withdraw")
async def withdraw(patient_id: UUID, route: Route, service: ServiceDep, who: Writer) -> Done:
    """The patient takes it back by telling us; effective at once."""
    with refusals():
        async with service.transaction(actor=who.actor) as uow:
            await audit(uow, action="write", what=f"chart.consent.{route}", subject=patient_id)
            await consenting.withdraw(uow, patient_id, route)
    return Done()
