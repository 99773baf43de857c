"""HTTP in, on the day of a session: the gates, check-in, dose, discharge, and a provider's signature past a gate."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from services.scheduling.domain.appointments import IllegalTransition
from services.scheduling.domain.refusals import Refused
from services.scheduling.handlers import day
from services.scheduling.handlers.day import Standings
from services.scheduling.problems import no_longer, not_here, problem_of
from services.scheduling.views_day import Arriving, Leaving, SessionDayView, Signing
from shared.audit import audit
from shared.http.auth import Staff, staff
from shared.http.deps import ServiceDep
from shared.service import Service
from shared.uow import UnitOfWork

router = APIRouter(prefix="/api/v1/appointments/{appointment_id}", tags=["session day"])
Reader = Annotated[Staff, Depends(staff("front_desk", "provider", "monitor"))]
Attendant = Annotated[Staff, Depends(staff("provider", "monitor"))]
Provider = Annotated[Staff, Depends(staff("provider"))]
Signer = Annotated[Staff, Depends(staff("provider", step_up=True))]


@router.get("/gates")
async def gates(service: ServiceDep, who: Reader, appointment_id: UUID) -> SessionDayView:
    """How the session stands: every gate with its reason, the vitals and when they are due; the read is audited."""
    return await _answer(service, who, lambda uow: day.stand(uow, appointment_id), read=True)


@router.post("/check-in")
async def check_in(service: ServiceDep, who: Reader, appointment_id: UUID, body: Arriving) -> SessionDayView:
    """The patient is here. Sent again, it adds what was asked later."""
    return await _answer(service, who, lambda uow: day.check_in(uow, appointment_id, body.codes))


@router.post("/dose")
async def dose(service: ServiceDep, who: Provider, appointment_id: UUID) -> SessionDayView:
    """The medicine was given, now, by who asks: somebody who may prescribe today."""
    return await _answer(service, who, lambda uow: day.dose(uow, appointment_id, who.id))


@router.post("/discharge")
async def discharge(service: ServiceDep, who: Attendant, appointment_id: UUID, body: Leaving) -> SessionDayView:
    """The patient goes home."""
    return await _answer(
        service, who, lambda uow: day.discharge(uow, appointment_id, escort_present=body.escort_present)
    )


@router.post("/overrides", status_code=201)
async def override(service: ServiceDep, who: Signer, appointment_id: UUID, body: Signing) -> SessionDayView:
    """Sign past a gate as it stands now."""
    return await _answer(service, who, lambda uow: day.sign_past(uow, appointment_id, body.gate, body.reason, who.id))


async def _answer(
    service: Service, who: Staff, act: Callable[[UnitOfWork], Awaitable[Standings | None]], *, read: bool = False
) -> SessionDayView:
    try:
        async with service.transaction(actor=who.actor) as uow:
            standing = await act(uow)
            if standing is None:
                raise not_here()
            if read:
                await audit(uow, action="read", what="session-day", subject=standing.appointment.patient_id)
            return SessionDayView.of(standing, service.clinic)
    except IllegalTransition as illegal:
        raise no_longer(illegal) from illegal
    except Refused as refused:
        raise problem_of(refused, service.clinic) from refused
