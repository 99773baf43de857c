"""HTTP in: who is away, and who could take over what they have."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from services.scheduling.api import Booker, Reader, in_turn, midnight
from services.scheduling.domain.refusals import Refused
from services.scheduling.handlers import absences, standing_in
from services.scheduling.problems import not_here, problem_of
from services.scheduling.repository import absences as repository
from services.scheduling.repository import calendar
from services.scheduling.views import Absences, AbsenceView, AppointmentView, Date, Noting, PartView, StandInsView
from shared.audit import audit
from shared.http.deps import ServiceDep

router = APIRouter(prefix="/api/v1", tags=["absences"])


@router.get("/absences")
async def of_days(
    service: ServiceDep,
    _who: Reader,
    first: Annotated[Date | None, Query(alias="from")] = None,
    days: Annotated[int, Query(ge=1, le=400)] = 31,
) -> Absences:
    """Who is away in these days, and which appointments stand in that time."""
    tz = service.clinic.tz
    begin = first or service.clock.now().astimezone(tz).date()
    async with service.reading() as uow:
        found = await repository.between(
            uow.conn, midnight(service, begin), midnight(service, begin + timedelta(days=days)), uow.now
        )
    return Absences(absences=[AbsenceView.of(one, tz) for one in found])


@router.post("/absences", status_code=201)
async def note(service: ServiceDep, who: Booker, body: Noting) -> AbsenceView:
    """Somebody is away: nothing new is booked with them, and what stands then becomes tasks. Said twice it is once."""
    try:
        made = await in_turn(
            service, who.actor, lambda uow: absences.note(uow, body.person_id, body.starts_at, body.ends_at)
        )
    except Refused as refused:
        raise problem_of(refused, service.clinic) from refused
    return AbsenceView.of(made, service.clinic.tz)


@router.get("/absences/{absence_id}")
async def one(service: ServiceDep, _who: Reader, absence_id: UUID) -> AbsenceView:
    """One of them, with what stands in its way now."""
    async with service.reading() as uow:
        found = await repository.find(uow.conn, absence_id, uow.now)
    if found is None:
        raise not_here("There is no such absence.")
    return AbsenceView.of(found, service.clinic.tz)


@router.delete("/absences/{absence_id}", status_code=204)
async def take_back(service: ServiceDep, who: Booker, absence_id: UUID) -> None:
    """They are here after all. What was handed to others stays with them."""
    try:
        gone = await in_turn(service, who.actor, lambda uow: absences.take_back(uow, absence_id))
    except Refused as refused:
        raise problem_of(refused, service.clinic) from refused
    if gone is None:
        raise not_here("There is no such absence.")


@router.get("/appointments/{appointment_id}/stand-ins")
async def stand_ins(service: ServiceDep, who: Booker, appointment_id: UUID) -> StandInsView:
    """Who could take over whose part at its own time; `…/reschedule` with that time hands it over. Audited."""
    try:
        async with service.transaction(actor=who.actor) as uow:
            found = await calendar.find(uow.conn, appointment_id)
            if found is None:
                raise not_here()
            await audit(uow, action="read", what="appointment", subject=found.patient_id)
            parts = await standing_in.stand_ins(uow, found)
    except Refused as refused:
        raise problem_of(refused, service.clinic) from refused
    return StandInsView(appointment=AppointmentView.of(found), parts=[PartView.of(one) for one in parts])
