"""The day of a session: the gates, vitals and what the patient feels, dose and way home, one next thing at a time.

The facts are scheduling's, the measurements assessment's; this page owns none of them.
"""

import asyncio
import time
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from services.dashboard.calls import call
from services.dashboard.pages.booking_parts import appointment_of
from services.dashboard.pages.frame import done, errors, live_of, pages_of, show, staff_page
from shared.http.auth import Staff
from shared.http.oidc import step_up
from shared.http.problems import NotFound, Problem
from shared.ids import new_id

router = APIRouter(prefix="/patients/{patient_id}/session/{appointment_id}", include_in_schema=False)
Attendant = Annotated[Staff, Depends(staff_page("front_desk", "provider", "monitor"))]
Clinical = Annotated[Staff, Depends(staff_page("provider", "monitor"))]
Provider = Annotated[Staff, Depends(staff_page("provider"))]
NOT_FRESH = "step_up_required"
MEASURES = ("systolic", "diastolic", "heart_rate", "spo2")
EFFECTS = (
    "dizziness", "nausea", "vomiting", "hallucinations", "blurry_vision", "sweating", "flushing", "appetite",
    "heart_rate", "blood_pressure", "headache", "drowsiness", "anxiety", "confusion", "urinary", "chest_pain",
    "breathing", "other",
)  # fmt: skip
SEVERITIES = ("mild", "moderate", "severe")
AT_THE_DOOR = ("approval", "consents", "escort", "risk")
PASSED = ("holds", "signed")
KNOWN_TRIES, KNOWN_SECONDS = 8, 0.2


@router.get("")
async def page(patient_id: UUID, appointment_id: UUID, request: Request, who: Attendant) -> Response:
    """How it stands, and what comes next."""
    return await _page(request, who, patient_id, appointment_id)


@router.get("/parts")
async def parts(patient_id: UUID, appointment_id: UUID, request: Request, who: Attendant) -> Response:
    """The same for the open page, as time passes and others do their part; what is being written stays there."""
    context = await _context(request, who, patient_id, appointment_id)
    return await show(request, who, "_session.html", written={}, wrong=_wrong(None), about="", **context)


@router.post("/check-in")
async def check_in(patient_id: UUID, appointment_id: UUID, request: Request, who: Attendant) -> Response:
    """The patient is here; what they were asked at the door goes with it, now or later."""
    form = await request.form()
    asked = {code: code in form for code in ("fasting", "pregnancy")}
    return await _act(request, who, patient_id, appointment_id, "check-in", asked)


@router.post("/dose")
async def dose(patient_id: UUID, appointment_id: UUID, request: Request, who: Provider) -> Response:
    """The medicine was given."""
    return await _act(request, who, patient_id, appointment_id, "dose", None)


@router.post("/discharge")
async def discharge(patient_id: UUID, appointment_id: UUID, request: Request, who: Clinical) -> Response:
    """They go home."""
    present = "escort_present" in await request.form()
    return await _act(request, who, patient_id, appointment_id, "discharge", {"escort_present": present})


@router.post("/vitals")
async def vitals(patient_id: UUID, appointment_id: UUID, request: Request, who: Clinical) -> Response:
    """One reading, taken now; sent twice it is kept once."""
    form = await request.form()
    body: dict[str, Any] = {"id": _text(form, "id"), "appointment_id": str(appointment_id)}
    body |= {"phase": _text(form, "phase"), **{name: _text(form, name) or None for name in MEASURES}}
    return await _record(request, who, patient_id, appointment_id, "vitals", body)


@router.post("/side-effects")
async def side_effects(patient_id: UUID, appointment_id: UUID, request: Request, who: Clinical) -> Response:
    """What the patient feels."""
    form = await request.form()
    body = {name: _text(form, name) for name in ("id", "effect", "severity", "note")}
    return await _record(
        request, who, patient_id, appointment_id, "side-effects", {**body, "appointment_id": str(appointment_id)}
    )


@router.get("/override/{gate}")
async def ask_override(patient_id: UUID, appointment_id: UUID, gate: str, request: Request, who: Provider) -> Response:
    """Why a provider goes past it, behind a fresh second factor."""
    return await _override(request, who, patient_id, appointment_id, gate)


@router.post("/override/{gate}")
async def override(patient_id: UUID, appointment_id: UUID, gate: str, request: Request, who: Provider) -> Response:
    """Sign past it."""
    reason = _text(await request.form(), "reason")
    try:
        path = f"/api/v1/appointments/{appointment_id}/overrides"
        await call(request, who, "scheduling", "POST", path, json={"gate": gate, "reason": reason})
    except Problem as problem:
        if problem.code == NOT_FRESH:
            return step_up(request, request.url.path)
        return await _override(request, who, patient_id, appointment_id, gate, reason, problem)
    return done(_path(patient_id, appointment_id))


async def _act(
    request: Request, who: Staff, patient_id: UUID, appointment_id: UUID, what: str, body: dict[str, Any] | None
) -> Response:
    await _found(request, who, patient_id, appointment_id)
    try:
        await call(request, who, "scheduling", "POST", f"/api/v1/appointments/{appointment_id}/{what}", json=body)
    except Problem as problem:
        return await _page(request, who, patient_id, appointment_id, problem)
    return done(_path(patient_id, appointment_id))


async def _record(
    request: Request, who: Staff, patient_id: UUID, appointment_id: UUID, what: str, body: dict[str, Any]
) -> Response:
    await _found(request, who, patient_id, appointment_id)
    try:
        await call(request, who, "assessment", "POST", f"/api/v1/charts/{patient_id}/{what}", json=body)
    except Problem as problem:
        return await _page(request, who, patient_id, appointment_id, problem, written=body, about=what)
    if what == "vitals":
        await _until_known(request, who, appointment_id, body["id"])
    return done(f"{_path(patient_id, appointment_id)}#{what}")


async def _until_known(request: Request, who: Staff, appointment_id: UUID, reading: str) -> None:
    """Until scheduling has heard of the reading, so that the next page tells what it means; not for long."""
    for _ in range(KNOWN_TRIES):
        try:
            found = await call(request, who, "scheduling", "GET", f"/api/v1/appointments/{appointment_id}/gates")
        except Problem:
            return
        if reading in [one["id"] for one in found["vitals"]]:
            return
        await asyncio.sleep(KNOWN_SECONDS)


async def _page(
    request: Request,
    who: Staff,
    patient_id: UUID,
    appointment_id: UUID,
    problem: Problem | None = None,
    *,
    written: dict[str, Any] | None = None,
    about: str = "",
) -> Response:
    return await show(
        request,
        who,
        "session.html",
        section="today",
        status=problem.status if problem else 200,
        problem=problem,
        said=_said(request, problem),
        written=written or {},
        wrong=_wrong(problem),
        about=about,
        **await _context(request, who, patient_id, appointment_id),
    )


async def _context(request: Request, who: Staff, patient_id: UUID, appointment_id: UUID) -> dict[str, Any]:
    found = await _found(request, who, patient_id, appointment_id)
    clinical = bool(who.roles & {"provider", "monitor"})
    observed = await _observed(request, who, patient_id, appointment_id) if clinical else {}
    return {
        "patient_id": patient_id,
        "name": live_of(request).name(patient_id),
        "effects": [(code, _word(request, "effect", code)) for code in EFFECTS],
        "severities": [(code, _word(request, "severity", code), None) for code in SEVERITIES],
        "felt": _felt(observed),
        "conditions": observed.get("conditions") if observed is not None else None,
        "unread": observed is None,
        "fresh": new_id,
        **found,
    }


async def _override(
    request: Request,
    who: Staff,
    patient_id: UUID,
    appointment_id: UUID,
    gate: str,
    reason: str = "",
    problem: Problem | None = None,
) -> Response:
    if problem is None and not who.stepped_up(time.time()):
        return step_up(request, request.url.path)
    found = await _found(request, who, patient_id, appointment_id)
    named = next((one for one in found["gates"] if one["code"] == gate), None)
    if problem is None and (named is None or not named["may_sign"]):
        return done(_path(patient_id, appointment_id))
    return await show(
        request,
        who,
        "session_override.html",
        section="today",
        status=problem.status if problem else 200,
        problem=problem,
        said=_said(request, problem),
        patient_id=patient_id,
        name=live_of(request).name(patient_id),
        gate=named,
        reason=reason,
        wrong=_wrong(problem),
        appointment=found["appointment"],
    )


async def _found(request: Request, who: Staff, patient_id: UUID, appointment_id: UUID) -> dict[str, Any]:
    """What scheduling says of the session, with moments as moments; 404 where it is somebody else's."""
    found = await call(request, who, "scheduling", "GET", f"/api/v1/appointments/{appointment_id}/gates")
    live = live_of(request)
    await live.ready()
    if live.survivor(UUID(found["appointment"]["patient_id"])) != live.survivor(patient_id):
        raise NotFound("This person has no such session.")
    gates = [one | {"repeat_at": _moment(one["repeat_at"])} for one in found["gates"]]
    closed = [one for one in gates if one["standing"] not in PASSED]
    return {
        "appointment": appointment_of(request, found["appointment"]),
        "gates": gates,
        "closed": closed,
        "door": [one for one in closed if one["code"] in AT_THE_DOOR],
        "attested": found["attested"],
        "readings": [one | {"at": _moment(one["taken_at"])} for one in reversed(found["vitals"])],
        "due": [one | {"at": _moment(one["at"])} for one in found["due"]],
        **{name: _moment(found[name]) for name in ("checked_in_at", "dosed_at", "watched_until", "discharged_at")},
        "prescriber_id": found["prescriber_id"],
    }


async def _observed(request: Request, who: Staff, patient_id: UUID, appointment_id: UUID) -> dict[str, Any] | None:
    """What the chart says for this session; None where it can't be read now."""
    path = f"/api/v1/charts/{patient_id}/observations?appointment_id={appointment_id}"
    try:
        found: dict[str, Any] = await call(request, who, "assessment", "GET", path)
    except Problem:
        return None
    return found


def _felt(observed: dict[str, Any] | None) -> list[dict[str, Any]] | None:
    """What the patient felt in this session; None where it can't be read now."""
    if observed is None:
        return None
    return [one | {"at": _moment(one["began_at"])} for one in observed.get("side_effects", ())]


def _said(request: Request, problem: Problem | None) -> tuple[str, str]:
    """Why not; what other services say in English is shown in English only, where we have no other words."""
    if problem is None:
        return "", ""
    pages = pages_of(request)
    language, key = pages.language(request), f"session.problem_{problem.code}"
    if pages.texts.has(language, key):
        return pages.t(request, key), ""
    return problem.title, " ".join(filter(None, (problem.text, problem.remedy)))


def _wrong(problem: Problem | None) -> dict[str, str]:
    return {**dict.fromkeys((*MEASURES, "note", "reason"), ""), **errors(problem)}


def _word(request: Request, group: str, code: str) -> str:
    return pages_of(request).t(request, f"session.{group}_{code}")


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value.strip() if isinstance(value, str) else ""


def _path(patient_id: UUID, appointment_id: UUID) -> str:
    return f"/patients/{patient_id}/session/{appointment_id}"
