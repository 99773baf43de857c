"""Kept contacts, for the front desk: what intake could not understand, read by a person who makes a patient of it or
lets it go.
"""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from services.dashboard.calls import call
from services.dashboard.needs import recorded
from services.dashboard.pages.frame import done, errors, pages_of, show, staff_page
from shared.http.auth import Staff
from shared.http.problems import Problem

router = APIRouter(prefix="/contacts")
Desk = Annotated[Staff, Depends(staff_page("front_desk"))]
FIELDS = ("name", "phone", "email", "message", "language", "consent_sms", "consent_email")
OUTCOMES = ("answered", "nobody", "robot", "twice", "wrong-number")
"""Why nobody becomes a patient; the words are in `texts/`."""


@router.get("")
async def contacts(request: Request, who: Desk) -> Response:
    """What waits for a person, oldest first."""
    found = [_kept(one) for one in await call(request, who, "intake", "GET", "/api/v1/contacts")]
    return await show(request, who, "contacts.html", section="contacts", found=found)


@router.get("/{kept_id}")
async def contact(kept_id: UUID, request: Request, who: Desk) -> Response:
    """One of them, with what can be made of it."""
    return await _show(request, who, kept_id)


@router.post("/{kept_id}/patient")
async def take_in(kept_id: UUID, request: Request, who: Desk) -> Response:
    """Somebody is in it: they become a patient, or join the one they are."""
    given = await request.form()
    values = {name: str(given.get(name) or "").strip() for name in FIELDS}
    lead: dict[str, Any] = {name: values[name] for name in FIELDS[:5] if values[name]}
    lead |= {name: values[name] == "yes" for name in FIELDS[5:]}
    body = {"outcome": "became-lead", "lead": lead}
    try:
        accepted = await call(request, who, "intake", "POST", f"/api/v1/contacts/{kept_id}/resolve", json=body)
    except Problem as problem:
        return await _show(request, who, kept_id, problem, values)
    return done(f"/patients/{UUID(str(accepted['patient_id']))}")


@router.post("/{kept_id}/let-go")
async def let_go(kept_id: UUID, request: Request, who: Desk) -> Response:
    """Nobody is to be answered: why, as one of the reasons."""
    outcome = str((await request.form()).get("outcome") or "")
    try:
        await call(
            request, who, "intake", "POST", f"/api/v1/contacts/{kept_id}/resolve",
            json={"outcome": outcome if outcome in OUTCOMES else "nobody"},
        )  # fmt: skip
    except Problem as problem:
        return await _show(request, who, kept_id, problem)
    return done("/contacts")


async def _show(
    request: Request, who: Staff, kept_id: UUID, problem: Problem | None = None, values: dict[str, str] | None = None
) -> Response:
    found = _kept(await call(request, who, "intake", "GET", f"/api/v1/contacts/{kept_id}"))
    pages = pages_of(request)
    languages = request.app.state.service.clinic.languages
    wrong = errors(problem)
    return await show(
        request,
        who,
        "contact.html",
        status=problem.status if problem else 200,
        section="contacts",
        kept=found,
        values=values or {**dict.fromkeys(FIELDS, ""), "language": languages[0], "message": found["text"]},
        problem=problem,
        errors={**dict.fromkeys(FIELDS, ""), **wrong},
        focus=next((name for name in FIELDS if name in wrong), ""),
        language_options=[(code, pages.t(request, f"language.{code}")) for code in languages],
        outcomes=[(code, pages.t(request, f"contacts.outcome_{code.replace('-', '_')}")) for code in OUTCOMES],
    )


def _kept(found: dict[str, Any]) -> dict[str, Any]:
    """As the pages show it: a call's words without the address of what was recorded, which is a link."""
    text = found["text"] or ""
    words, listen = recorded(text) if found["door"] == "phone" else (text, "")
    return {**found, "at": datetime.fromisoformat(found["received_at"]), "words": words, "listen": listen}
