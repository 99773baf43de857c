"""The chart: what is known about a patient, one section a sheet; its facts are assessment's."""

from collections import defaultdict
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from services.dashboard.calls import call
from services.dashboard.pages.chart_forms import BLANK_ROWS, ROWS, Kind, content, label_of
from services.dashboard.pages.frame import done, errors, live_of, show, staff_page
from shared.contracts.assessment import Route
from shared.http.auth import Staff
from shared.http.problems import Problem

router = APIRouter(prefix="/patients/{patient_id}", include_in_schema=False)
Reader = Annotated[Staff, Depends(staff_page("front_desk", "provider", "monitor", "auditor"))]
Writer = Annotated[Staff, Depends(staff_page("front_desk", "provider"))]
KINDS: tuple[Kind, ...] = ("history", "goals", "tried", "insurance")
REASONS = ("depression", "anxiety", "ptsd", "ocd", "pain", "substance", "other")


async def chart_of(request: Request, who: Staff, patient_id: UUID) -> dict[str, Any]:
    """The chart as assessment tells it to this person.

    Raises:
        Problem: they may not read it, or there is none.
    """
    chart: dict[str, Any] = await call(request, who, "assessment", "GET", f"/api/v1/charts/{patient_id}")
    return chart


def wrong(problem: Problem | None) -> defaultdict[str, str]:
    """What is wrong with each field; empty for the others."""
    return defaultdict(str, errors(problem))


def common(request: Request, patient_id: UUID, chart: dict[str, Any]) -> dict[str, Any]:
    """What every page about a chart shows."""
    return {
        "patient_id": patient_id,
        "name": live_of(request).name(patient_id),
        "chart": chart,
        "at": datetime.fromisoformat,
        "day": date.fromisoformat,
        "kinds": KINDS,
        "reasons": REASONS,
        "labels": {one["code"]: one["label"] for one in chart["choices"]["conditions"]},
    }


@router.get("/chart")
async def chart(patient_id: UUID, request: Request, who: Reader) -> Response:
    """Everything that is known, the flags and what was decided."""
    return await _chart(request, who, patient_id)


async def _chart(request: Request, who: Staff, patient_id: UUID, problem: Problem | None = None) -> Response:
    found = await chart_of(request, who, patient_id)
    seen = await call(request, who, "assessment", "GET", f"/api/v1/charts/{patient_id}/observations")
    return await show(
        request,
        who,
        "chart.html",
        section="board",
        status=problem.status if problem else 200,
        writes=bool(who.roles & {"front_desk", "provider"}),
        problem=problem,
        seen=seen,
        **common(request, patient_id, found),
    )


async def _act(request: Request, who: Staff, patient_id: UUID, path: str, place: str = "") -> Response:
    """One thing to press on the chart; what assessment refuses is shown there."""
    try:
        await call(request, who, "assessment", "POST", f"/api/v1/charts/{patient_id}/{path}")
    except Problem as problem:
        return await _chart(request, who, patient_id, problem)
    return done(f"/patients/{patient_id}/chart{place}")


@router.post("/chart/complete")
async def complete(patient_id: UUID, request: Request, who: Writer) -> Response:
    """Freeze what is known for a decision."""
    return await _act(request, who, patient_id, "complete")


@router.post("/chart/reopen")
async def reopen(patient_id: UUID, request: Request, who: Writer) -> Response:
    """A patient who was elsewhere came back."""
    return await _act(request, who, patient_id, "reopen")


@router.post("/chart/insurance/check")
async def check_insurance(patient_id: UUID, request: Request, who: Writer) -> Response:
    """Have the payer asked now."""
    return await _act(request, who, patient_id, "insurance/check", "#insurance")


@router.post("/chart/consents/{route}/withdraw")
async def withdraw(patient_id: UUID, route: Route, request: Request, who: Writer) -> Response:
    """The patient takes a consent back by telling us."""
    return await _act(request, who, patient_id, f"consents/{route.value}/withdraw")


@router.post("/chart/link")
async def link(patient_id: UUID, request: Request, who: Writer) -> Response:
    """A link to the patient's own page, shown once."""
    given = await call(request, who, "assessment", "POST", f"/api/v1/charts/{patient_id}/link")
    page = common(request, patient_id, await chart_of(request, who, patient_id))
    return await show(request, who, "chart_link.html", section="board", **page, **given)


@router.get("/chart/{kind}")
async def section(patient_id: UUID, kind: Kind, request: Request, who: Writer) -> Response:
    """The form of one section, as it stands."""
    found = await chart_of(request, who, patient_id)
    saved = found["sections"][kind]
    version, values = (saved["version"], saved["content"]) if saved else (0, content(kind, FormData()))
    return await _form(request, who, patient_id, found, kind, values, version)


@router.post("/chart/{kind}")
async def save(patient_id: UUID, kind: Kind, request: Request, who: Writer) -> Response:
    """Save a section, or give the form more rows; what was typed is never lost."""
    form = await request.form()
    values = content(kind, form)
    version = _version(form)
    if "more" in form:
        found = await chart_of(request, who, patient_id)
        return await _form(request, who, patient_id, found, kind, values, version, blank=2 * BLANK_ROWS)
    body = {"version": version, "content": values}
    try:
        await call(request, who, "assessment", "PUT", f"/api/v1/charts/{patient_id}/{kind}", json=body)
    except Problem as problem:
        found = await chart_of(request, who, patient_id)
        return await _form(request, who, patient_id, found, kind, values, version, problem=problem)
    return done(f"/patients/{patient_id}/chart#{kind}")


def _version(form: FormData) -> int:
    given = form.get("version", "")
    return int(given) if isinstance(given, str) and given.isascii() and given.isdigit() and len(given) < 8 else 0


async def _form(
    request: Request,
    who: Staff,
    patient_id: UUID,
    found: dict[str, Any],
    kind: Kind,
    values: dict[str, Any],
    version: int,
    *,
    blank: int = BLANK_ROWS,
    problem: Problem | None = None,
) -> Response:
    padded = values | {
        name: [*values[name], *(dict.fromkeys(fields) for _ in range(blank))]
        for name, fields in ROWS.items()
        if name in values
    }
    return await show(
        request,
        who,
        "chart_section.html",
        section="board",
        status=problem.status if problem else 200,
        kind=kind,
        values=padded,
        notes={one["code"]: one["note"] for one in values.get("conditions", ())},
        version=version,
        problem=problem,
        errors=wrong(problem),
        places=[(label_of(one.name), one.message) for one in problem.fields] if problem else [],
        **common(request, patient_id, found),
    )
