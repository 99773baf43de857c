"""Booking: free times as buttons, moving and cancelling with the consequence named; the facts are scheduling's."""

from datetime import date, timedelta
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from services.dashboard.calls import call
from services.dashboard.pages.booking_parts import WEEK, appointment_of, clinic_of, page_link, said_of, week_of
from services.dashboard.pages.frame import done, live_of, pages_of, show, staff_page
from shared.clinic import Clinic
from shared.http.auth import Staff
from shared.http.problems import NotFound, Problem
from shared.ids import new_id

router = APIRouter(include_in_schema=False)
Booker = Annotated[Staff, Depends(staff_page("front_desk", "provider"))]
First = Annotated[date | None, Query(alias="from")]
REASONS = ("patient", "illness", "transport", "fasting", "clinic", "other")
MOVABLE = ("booked", "held")
CANCELLABLE = ("booked", "held", "checked-in")


@router.get("/patients/{patient_id}/book")
async def book(
    patient_id: UUID, request: Request, who: Booker, mode: str = "", provider: str = "", first: First = None
) -> Response:
    """The free times of a week, by day."""
    return await _book(request, who, patient_id, mode, provider, first)


@router.post("/patients/{patient_id}/book")
async def booked(patient_id: UUID, request: Request, who: Booker) -> Response:
    """Book the time whose button was pressed; one that was taken meanwhile brings the others."""
    form = await request.form()
    mode, provider = _text(form, "mode"), _text(form, "provider")
    body = {"patient_id": str(patient_id), "starts_at": _text(form, "starts_at"), "mode": mode}
    if provider:
        body["provider_id"] = provider
    # The same button of the same page, pressed twice, books once.
    key = f"{_text(form, 'key')}:{body['starts_at']}"
    try:
        await call(request, who, "scheduling", "POST", "/api/v1/consultations", json=body, key=key)
    except Problem as problem:
        return await _book(request, who, patient_id, mode, provider, _day(_text(form, "from")), problem)
    return done(f"/patients/{patient_id}")


@router.post("/patients/{patient_id}/book/link")
async def link(patient_id: UUID, request: Request, who: Booker) -> Response:
    """A link over which the patient books by themselves; it is shown this once."""
    made = await call(request, who, "scheduling", "POST", f"/api/v1/patients/{patient_id}/booking-link")
    return await _book(request, who, patient_id, "", "", None, link=made["url"])


@router.post("/patients/{patient_id}/book/plan/{approval_id}")
async def plan_again(patient_id: UUID, approval_id: UUID, request: Request, who: Booker) -> Response:
    """Look for the sessions' times once more."""
    try:
        await call(request, who, "scheduling", "POST", f"/api/v1/approvals/{approval_id}/plan")
    except Problem as problem:
        return await _book(request, who, patient_id, "", "", None, problem)
    return done(f"/patients/{patient_id}")


@router.get("/patients/{patient_id}/appointments/{appointment_id}/reschedule")
async def reschedule(
    patient_id: UUID, appointment_id: UUID, request: Request, who: Booker, first: First = None
) -> Response:
    """The times to which it could move."""
    return await _move(request, who, patient_id, appointment_id, first)


@router.post("/patients/{patient_id}/appointments/{appointment_id}/reschedule")
async def moved(patient_id: UUID, appointment_id: UUID, request: Request, who: Booker) -> Response:
    """Move it to the time whose button was pressed."""
    form = await request.form()
    body = {"starts_at": _text(form, "starts_at"), "reason": _text(form, "reason")}
    path = f"/api/v1/appointments/{appointment_id}/reschedule"
    try:
        await call(request, who, "scheduling", "POST", path, json=body)
    except Problem as problem:
        first = _day(_text(form, "from"))
        return await _move(request, who, patient_id, appointment_id, first, problem, body["reason"])
    return done(f"/patients/{patient_id}")


@router.get("/patients/{patient_id}/appointments/{appointment_id}/cancel")
async def cancel(patient_id: UUID, appointment_id: UUID, request: Request, who: Booker) -> Response:
    """What cancelling would mean."""
    return await _cancel(request, who, patient_id, appointment_id, FormData())


@router.post("/patients/{patient_id}/appointments/{appointment_id}/cancel")
async def cancelled(patient_id: UUID, appointment_id: UUID, request: Request, who: Booker) -> Response:
    """Cancel it."""
    form = await request.form()
    body = {"reason": _text(form, "reason")}
    if note := _text(form, "note"):
        body["note"] = note
    try:
        await call(request, who, "scheduling", "POST", f"/api/v1/appointments/{appointment_id}/cancel", json=body)
    except Problem as problem:
        return await _cancel(request, who, patient_id, appointment_id, form, problem)
    return done(f"/patients/{patient_id}")


async def _book(
    request: Request,
    who: Staff,
    patient_id: UUID,
    mode: str,
    provider: str,
    first: date | None,
    problem: Problem | None = None,
    link: str = "",
) -> Response:
    clinic = clinic_of(request)
    modes = clinic.appointments.consultation.modes
    mode = mode if mode in modes else modes[0]
    people = _providers(request, clinic)
    provider = provider if provider in dict(people) else ""
    calendar = await call(request, who, "scheduling", "GET", f"/api/v1/patients/{patient_id}/appointments")
    query = {"kind": "consultation", "mode": mode, "patient_id": str(patient_id)}
    if provider:
        query["provider"] = provider
    times = await week_of(request, who, first, query)
    return await show(
        request,
        who,
        "booking.html",
        section="board",
        status=problem.status if problem else 200,
        problem=problem,
        said=said_of(request, problem),
        patient_id=patient_id,
        name=live_of(request).name(patient_id),
        key=new_id(),
        link=link,
        modes=[(one, pages_of(request).t(request, f"booking.mode_{one}")) for one in modes],
        mode=mode,
        people=people,
        provider=provider,
        ahead=_ahead(request, calendar["appointments"]),
        movable=MOVABLE,
        waiting=[course for course in calendar["courses"] if course["state"] == "infeasible"],
        in_danger=any((one["state"], one["reasons"]) == ("pending", ["concern-open"]) for one in calendar["courses"]),
        week=partial(page_link, mode=mode, provider=provider),
        **times,
    )


def _ahead(request: Request, appointments: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is still to be held, or being held. A consultation that was held stays booked: nobody says so of it."""
    now = pages_of(request).dates(request).now
    every = [appointment_of(request, one) for one in appointments if one["state"] in CANCELLABLE]
    return [one for one in every if one["until"] > now or one["state"] not in MOVABLE]


async def _move(
    request: Request,
    who: Staff,
    patient_id: UUID,
    appointment_id: UUID,
    first: date | None,
    problem: Problem | None = None,
    reason: str = "",
) -> Response:
    found = await _found(request, who, patient_id, appointment_id)
    query = {"kind": found["kind"], "appointment_id": str(appointment_id)}
    if found["kind"] == "consultation":
        query["provider"] = found["provider_id"]
    try:
        times = await week_of(
            request, who, first or found["at"].date() - timedelta(days=WEEK // 2), query, found["starts_at"]
        )
    except Problem as refused:
        problem, times = problem or refused, {"days": [], "first": None, "earlier": None, "later": None}
    return await show(
        request,
        who,
        "booking_move.html",
        section="board",
        status=problem.status if problem else 200,
        problem=problem,
        said=said_of(request, problem),
        patient_id=patient_id,
        name=live_of(request).name(patient_id),
        appointment=found,
        reasons=_reasons(request),
        reason=reason or REASONS[0],
        week=page_link,
        **times,
    )


async def _cancel(
    request: Request,
    who: Staff,
    patient_id: UUID,
    appointment_id: UUID,
    form: FormData,
    problem: Problem | None = None,
) -> Response:
    found = await _found(request, who, patient_id, appointment_id)
    notice = clinic_of(request).course.cancellation_notice_hours
    return await show(
        request,
        who,
        "booking_cancel.html",
        section="board",
        status=problem.status if problem else 200,
        problem=problem,
        said=said_of(request, problem),
        patient_id=patient_id,
        name=live_of(request).name(patient_id),
        appointment=found,
        late=found["at"] - pages_of(request).dates(request).now < timedelta(hours=notice),
        notice=notice,
        reasons=_reasons(request),
        reason=_text(form, "reason"),
        note=_text(form, "note"),
    )


async def _found(request: Request, who: Staff, patient_id: UUID, appointment_id: UUID) -> dict[str, Any]:
    found = await call(request, who, "scheduling", "GET", f"/api/v1/appointments/{appointment_id}")
    live = live_of(request)
    await live.ready()
    if live.survivor(UUID(found["patient_id"])) != live.survivor(patient_id):
        raise NotFound("This person has no such appointment.")
    return appointment_of(request, found)


def _reasons(request: Request) -> list[tuple[str, str]]:
    return [(one, pages_of(request).t(request, f"booking.reason_{one}")) for one in REASONS]


def _providers(request: Request, clinic: Clinic) -> list[tuple[str, str]]:
    """Whose licence is valid today; scheduling looks at the day itself."""
    now = pages_of(request).dates(request).today
    return [(one.id, one.name) for one in clinic.people if "provider" in one.roles and one.licensed_on(now)]


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value.strip() if isinstance(value, str) else ""


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
