"""No more texts, no more e-mails: what a patient asked for in words of their own; the fact is intake's."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from services.dashboard.calls import call
from services.dashboard.pages.frame import done, live_of, show, staff_page
from shared.http.auth import Staff
from shared.http.problems import NotFound, Problem

router = APIRouter(prefix="/patients/{patient_id}/stop")
Desk = Annotated[Staff, Depends(staff_page("front_desk"))]
KINDS = ("sms", "email")


@router.get("")
async def form(patient_id: UUID, request: Request, who: Desk) -> Response:
    """What each of the two means."""
    return await _show(request, who, patient_id)


@router.post("")
async def stop(patient_id: UUID, request: Request, who: Desk) -> Response:
    """Make it hold, at once."""
    kind = str((await request.form()).get("kind") or "")
    try:
        await call(request, who, "intake", "POST", f"/api/v1/patients/{patient_id}/stop", json={"kind": kind})
    except Problem as problem:
        return await _show(request, who, patient_id, problem)
    return done(f"/patients/{patient_id}")


async def _show(request: Request, who: Staff, patient_id: UUID, problem: Problem | None = None) -> Response:
    live = live_of(request)
    await live.ready()
    person = live.people.get(live.survivor(patient_id))
    if person is None:
        raise NotFound("Nobody with this id is on the board.", remedy="Go back to the board.")
    return await show(
        request,
        who,
        "stop.html",
        status=problem.status if problem else 200,
        section="board",
        patient_id=patient_id,
        name=person.name,
        kinds=KINDS,
        problem=problem,
    )
