"""Ride confirmed: staff name who takes a patient home; the fact is notifications'."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from services.dashboard.calls import call
from services.dashboard.live import Live
from services.dashboard.pages.frame import done, errors, live_of, show, staff_page
from shared.http.auth import Staff
from shared.http.problems import FieldProblem, Invalid, NotFound, Problem

router = APIRouter(prefix="/patients/{patient_id}/ride/{appointment_id}")
Desk = Annotated[Staff, Depends(staff_page("front_desk", "provider", "monitor"))]


@router.get("")
async def form(patient_id: UUID, appointment_id: UUID, request: Request, who: Desk) -> Response:
    """The form."""
    return await _show(request, who, patient_id, appointment_id, {"escort": ""})


@router.post("")
async def confirm(patient_id: UUID, appointment_id: UUID, request: Request, who: Desk) -> Response:
    """Write down who takes them home."""
    given = await request.form()
    escort = str(given.get("escort") or "").strip()
    try:
        if not escort:
            raise Invalid(fields=[FieldProblem("escort", "Who takes them home?", "Write the person's name.")])
        path = f"/api/v1/appointments/{appointment_id}/transport"
        await call(request, who, "notifications", "POST", path, json={"escort": escort})
    except Problem as problem:
        return await _show(request, who, patient_id, appointment_id, {"escort": escort}, problem)
    return done(f"/patients/{patient_id}")


async def _show(
    request: Request,
    who: Staff,
    patient_id: UUID,
    appointment_id: UUID,
    values: dict[str, Any],
    problem: Problem | None = None,
) -> Response:
    live: Live = live_of(request)
    await live.ready()
    person = live.people.get(live.survivor(patient_id))
    booked = person.patient.scheduling.appointments.get(appointment_id) if person else None
    if person is None or booked is None:
        raise NotFound("There is no such appointment.")
    return await show(
        request,
        who,
        "ride.html",
        status=problem.status if problem else 200,
        section="board",
        patient_id=patient_id,
        name=person.name,
        at=booked.starts_at,
        values=values,
        problem=problem,
        errors=_named(problem),
    )


def _named(problem: Problem | None) -> dict[str, str]:
    return {"escort": "", **errors(problem)}
