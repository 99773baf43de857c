"""Take a call: who called becomes a contact like any other, through intake's own door for staff."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from services.dashboard.calls import call
from services.dashboard.pages.frame import done, errors, pages_of, show, staff_page
from shared.http.auth import Staff
from shared.http.problems import Problem
from shared.ids import new_id

router = APIRouter(prefix="/call")
Desk = Annotated[Staff, Depends(staff_page("front_desk"))]
FIELDS = ("name", "phone", "email", "message", "language", "consent_sms", "consent_email")

REUSED = "idempotency_key_reused"


@router.get("")
async def form(request: Request, who: Desk) -> Response:
    """The form. Its `key` makes a repeated press the same contact."""
    values = {**dict.fromkeys(FIELDS, ""), "language": request.app.state.service.clinic.languages[0]}
    return await _show(request, who, {**values, "key": str(new_id())})


@router.post("")
async def take(request: Request, who: Desk) -> Response:
    """Hand it to intake and show the patient."""
    given = await request.form()
    values = {name: str(given.get(name) or "").strip() for name in (*FIELDS, "key")}
    said: dict[str, str | bool] = {name: values[name] for name in FIELDS[:5] if values[name]}
    lead = said | {name: values[name] == "yes" for name in FIELDS[5:]}
    try:
        accepted = await call(request, who, "intake", "POST", "/api/v1/calls", json=lead, key=values["key"])
    except Problem as problem:
        return await _show(request, who, values, problem)
    return done(f"/patients/{UUID(str(accepted['patient_id']))}")


async def _show(request: Request, who: Staff, values: dict[str, str], problem: Problem | None = None) -> Response:
    languages = request.app.state.service.clinic.languages
    wrong = errors(problem)
    if problem is not None and problem.code == REUSED:
        values = {**values, "key": str(new_id())}  # what was typed since is another contact: the next press sends it
    return await show(
        request,
        who,
        "call.html",
        status=problem.status if problem else 200,
        values=values,
        problem=problem,
        errors={**dict.fromkeys(FIELDS, ""), **wrong},
        focus=next((name for name in FIELDS if name in wrong), "name"),
        language_options=[(code, pages_of(request).t(request, f"language.{code}")) for code in languages],
    )
