"""The provider's decision: read what was assessed, choose, read it once more, give a second factor, sign.

Assessment decides whether this person may; this page only keeps what was written while they prove who they are.
"""

import time
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from services.dashboard import drafts
from services.dashboard.calls import call
from services.dashboard.pages.chart import chart_of, common, wrong
from services.dashboard.pages.chart_forms import decision
from services.dashboard.pages.frame import done, show, staff_page
from shared.http.auth import Staff
from shared.http.deps import ServiceDep
from shared.http.oidc import step_up
from shared.http.problems import NotFound, Problem

router = APIRouter(prefix="/patients/{patient_id}", include_in_schema=False)
Provider = Annotated[Staff, Depends(staff_page("provider"))]
NOT_FRESH = "step_up_required"
ALTERNATIVES = ("medication", "cbt", "dbt", "emdr", "other")


@router.get("/decision")
async def sheet(
    patient_id: UUID, request: Request, who: Provider, service: ServiceDep, draft: UUID | None = None
) -> Response:
    """What was assessed, in one view, and the choices; with `draft`, what this person wrote before."""
    written: dict[str, Any] | None = None
    if draft is not None:
        async with service.reading() as uow:
            written = await drafts.find(uow, draft, patient_id, who.id)
    return await _sheet(request, who, patient_id, written or {})


@router.post("/decision")
async def write(patient_id: UUID, request: Request, who: Provider, service: ServiceDep) -> Response:
    """Keep what was written, then ask once, naming the consequence."""
    written = decision(await request.form())
    async with service.transaction(actor=who.actor) as uow:
        draft_id = await drafts.keep(uow, patient_id, who.id, written)
    return done(f"/patients/{patient_id}/decision/{draft_id}")


@router.get("/decision/{draft_id}")
async def confirm(patient_id: UUID, draft_id: UUID, request: Request, who: Provider, service: ServiceDep) -> Response:
    """Once more in full, behind a fresh second factor."""
    written = await _draft(service, patient_id, draft_id, who)
    if not who.stepped_up(time.time()):
        return step_up(request, request.url.path)
    found = await chart_of(request, who, patient_id)
    page = common(request, patient_id, found)
    return await show(
        request, who, "decision_confirm.html", section="board", written=_readable(written), draft_id=draft_id, **page
    )


@router.post("/decision/{draft_id}")
async def sign(patient_id: UUID, draft_id: UUID, request: Request, who: Provider, service: ServiceDep) -> Response:
    """Sign. What assessment refuses comes back on the sheet with what was written."""
    written = await _draft(service, patient_id, draft_id, who)
    try:
        await call(request, who, "assessment", "POST", f"/api/v1/charts/{patient_id}/decision", json=written)
    except Problem as problem:
        if problem.code == NOT_FRESH:
            return step_up(request, request.url.path)
        return await _sheet(request, who, patient_id, written, problem)
    async with service.transaction(actor=who.actor) as uow:
        await drafts.drop(uow, draft_id)
    return done(f"/patients/{patient_id}")


async def _sheet(
    request: Request, who: Staff, patient_id: UUID, written: dict[str, Any], problem: Problem | None = None
) -> Response:
    found = await chart_of(request, who, patient_id)
    return await show(
        request,
        who,
        "decision.html",
        section="board",
        status=problem.status if problem else 200,
        written=written,
        alternatives=ALTERNATIVES,
        open_concerns=[one for one in found["concerns"] if one["cleared_at"] is None],
        problem=problem,
        errors=wrong(problem),
        **common(request, patient_id, found),
    )


async def _draft(service: ServiceDep, patient_id: UUID, draft_id: UUID, who: Staff) -> dict[str, Any]:
    async with service.reading() as uow:
        written = await drafts.find(uow, draft_id, patient_id, who.id)
    if written is None:
        raise NotFound(
            "This was waiting for more than an hour, or is signed already.",
            code="draft_over",
            remedy="Read the chart again and decide anew.",
        )
    return written


def _readable(written: dict[str, Any]) -> dict[str, Any]:
    """The day as a day, where it is one; what it may be is checked by assessment."""
    try:
        return written | {"follow_up_on": date.fromisoformat(written.get("follow_up_on") or "")}
    except ValueError:
        return written | {"follow_up_on": None}


# — two things that a provider signs with a reason —


@router.get("/approval/revoke")
async def ask_revoke(patient_id: UUID, request: Request, who: Provider) -> Response:
    """Why, behind a fresh second factor."""
    return await _ask(request, who, patient_id, "revoke")


@router.post("/approval/revoke")
async def revoke(patient_id: UUID, request: Request, who: Provider) -> Response:
    """Take the approval back."""
    return await _signed_reason(request, who, patient_id, "revoke", "approval/revoke")


@router.get("/concerns/{concern_id}")
async def ask_clear(patient_id: UUID, concern_id: UUID, request: Request, who: Provider) -> Response:
    """What was found, behind a fresh second factor; back to the chart where the concern is cleared already."""
    found = await chart_of(request, who, patient_id)
    if str(concern_id) not in [one["id"] for one in found["concerns"] if one["cleared_at"] is None]:
        return done(f"/patients/{patient_id}/chart")
    return await _ask(request, who, patient_id, "concern")


@router.post("/concerns/{concern_id}")
async def clear(patient_id: UUID, concern_id: UUID, request: Request, who: Provider) -> Response:
    """Clear a safety concern."""
    return await _signed_reason(request, who, patient_id, "concern", f"concerns/{concern_id}/clear")


async def _ask(
    request: Request, who: Staff, patient_id: UUID, what: str, reason: str = "", problem: Problem | None = None
) -> Response:
    if problem is None and not who.stepped_up(time.time()):
        return step_up(request, request.url.path)
    found = await chart_of(request, who, patient_id)
    return await show(
        request,
        who,
        "decision_reason.html",
        section="board",
        status=problem.status if problem else 200,
        what=what,
        reason=reason,
        problem=problem,
        errors=wrong(problem),
        stale=problem is not None and problem.code == NOT_FRESH,
        **common(request, patient_id, found),
    )


async def _signed_reason(request: Request, who: Staff, patient_id: UUID, what: str, path: str) -> Response:
    given = (await request.form()).get("reason", "")
    reason = given.strip() if isinstance(given, str) else ""
    try:
        await call(request, who, "assessment", "POST", f"/api/v1/charts/{patient_id}/{path}", json={"reason": reason})
    except Problem as problem:
        return await _ask(request, who, patient_id, what, reason, problem)
    return done(f"/patients/{patient_id}/chart")
