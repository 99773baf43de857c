"""Two records of one person: seen side by side, joined, and taken apart again; the fact is intake's."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from services.dashboard.calls import call
from services.dashboard.pages.board import place
from services.dashboard.pages.frame import done, live_of, pages_of, show, staff_page
from services.dashboard.pages.search import LONGEST, MOST, find
from shared.http.auth import Staff
from shared.http.deps import ServiceDep
from shared.http.problems import NotFound, Problem

router = APIRouter(prefix="/patients/{patient_id}/merge")
Desk = Annotated[Staff, Depends(staff_page("front_desk"))]


@router.get("")
async def choose(patient_id: UUID, request: Request, who: Desk) -> Response:
    """Who else may be this person: a search."""
    return await _choose(request, who, patient_id)


@router.post("")
async def look(patient_id: UUID, request: Request, who: Desk, service: ServiceDep) -> Response:
    """Whom the search found; what was typed never stands in an address."""
    text = str((await request.form()).get("q") or "").strip()[:LONGEST]
    await live_of(request).ready()
    found = await find(request, service, who, text, most=MOST + 2) if text else []
    others = [one for one in found if one.placed.card.patient_id != live_of(request).survivor(patient_id)]
    more = len(others) > MOST
    return await _choose(request, who, patient_id, sought=text, found=others[:MOST], more=more)


@router.get("/{other_id}")
async def compare(patient_id: UUID, other_id: UUID, request: Request, who: Desk) -> Response:
    """Both side by side."""
    return await _compare(request, who, patient_id, other_id)


@router.post("/{other_id}")
async def join(patient_id: UUID, other_id: UUID, request: Request, who: Desk) -> Response:
    """They are one person; the form says which record stays."""
    stays = str((await request.form()).get("stays") or "")
    if stays not in {str(patient_id), str(other_id)}:
        return await _compare(request, who, patient_id, other_id)
    absorbed = other_id if stays == str(patient_id) else patient_id
    try:
        path = f"/api/v1/patients/{stays}/merge"
        await call(request, who, "intake", "POST", path, json={"absorbed_id": str(absorbed)})
    except Problem as problem:
        return await _compare(request, who, patient_id, other_id, problem)
    return done(f"/patients/{stays}")


@router.post("/{other_id}/apart")
async def part(patient_id: UUID, other_id: UUID, request: Request, who: Desk) -> Response:
    """They are two people after all."""
    path = f"/api/v1/patients/{patient_id}/unmerge"
    await call(request, who, "intake", "POST", path, json={"absorbed_id": str(other_id)})
    return done(f"/patients/{patient_id}")


async def _choose(request: Request, who: Staff, patient_id: UUID, **more: Any) -> Response:
    live = live_of(request)
    await live.ready()
    person = live.people.get(live.survivor(patient_id))
    if person is None:
        raise NotFound("Nobody with this id is on the board.", remedy="Go back to the board.")
    context = {"sought": "", "found": [], "more": False, "patient_id": person.patient_id, "name": person.name, **more}
    return await show(request, who, "merge.html", section="board", **context)


async def _compare(
    request: Request, who: Staff, patient_id: UUID, other_id: UUID, problem: Problem | None = None
) -> Response:
    """As intake knows them now; whoever was merged meanwhile is shown as who they turned out to be."""
    both = [await _side(request, who, one) for one in (patient_id, other_id)]
    one, other = (side["patient_id"] for side in both)
    if one == other:
        return done(f"/patients/{one}")
    if (one, other) != (patient_id, other_id) and problem is None:
        return done(f"/patients/{one}/merge/{other}")
    return await show(
        request,
        who,
        "merge_both.html",
        section="board",
        status=problem.status if problem else 200,
        problem=problem,
        said=_said(request, problem),
        patient_id=one,
        other_id=other,
        both=both,
    )


async def _side(request: Request, who: Staff, patient_id: UUID) -> dict[str, Any]:
    live = live_of(request)
    await live.ready()
    found = await call(request, who, "intake", "GET", f"/api/v1/patients/{patient_id}")
    known = UUID(found["patient_id"])
    person = live.people.get(live.survivor(known))
    born = found["date_of_birth"]
    return {
        **found,
        "patient_id": known,
        "born": date.fromisoformat(born) if born else None,
        "first": datetime.fromisoformat(found["created_at"]),
        "stage": place(person, request.app.state.service.clock.now()).card.stage if person else "",
    }


def _said(request: Request, problem: Problem | None) -> tuple[str, str]:
    """Why not, in the reader's language where we have words for it."""
    if problem is None:
        return "", ""
    pages = pages_of(request)
    key = f"merge.problem_{problem.code}"
    if pages.texts.has(pages.language(request), key):
        return pages.t(request, key), ""
    return problem.text or problem.title, problem.remedy
