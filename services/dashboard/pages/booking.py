"""Booking: free times as buttons, moving and cancelling with the consequence named; the facts are scheduling's."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from services.dashboard.calls import call
from services.dashboard.pages.frame import done, live_of, pages_of, show, staff_page, words_of
from shared.clinic import Clinic
from shared.http.auth import Staff
from shared.http.problems import NotFound, Problem
from shared.ids import new_id

router = APIRouter(include_in_schema=False)
Booker = Annotated[Staff, Depends(staff_page("front_desk", "provider"))]
Attendant = Annotated[Staff, Depends(staff_page("front_desk", "provider", "monitor"))]
First = Annotated[date | None, Query(alias="from")]
WEEK = 7
REASONS = ("patient", "illness", "transport", "fasting", "clinic", "other")
MOVABLE = ("booked", "held")
CANCELLABLE = ("booked", "held", "checked-in")


@dataclass(frozen=True, slots=True)
class Time:
    """A time that can be had, and with whom."""

    at: datetime
    value: str
    providers: tuple[str, ...]


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


@router.post("/patients/{patient_id}/book/plan/{approval_id}")
async def plan_again(patient_id: UUID, approval_id: UUID, request: Request, who: Booker) -> Response:
    """Look for the sessions' times once more."""
    await call(request, who, "scheduling", "POST", f"/api/v1/approvals/{approval_id}/plan")
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


@router.post("/today/{appointment_id}/no-show")
async def no_show(appointment_id: UUID, request: Request, who: Attendant) -> Response:
    """The patient did not come."""
    await call(request, who, "scheduling", "POST", f"/api/v1/appointments/{appointment_id}/no-show")
    return done("/today")


@router.get("/today")
async def today(request: Request, who: Attendant, day: date | None = None) -> Response:
    """One day by time: who, which room, which people."""
    live = live_of(request)
    await live.ready()
    shown = day or pages_of(request).dates(request).today
    found = await call(request, who, "scheduling", "GET", f"/api/v1/days/{shown.isoformat()}")
    return await show(
        request,
        who,
        "booking_day.html",
        section="today",
        day=shown,
        earlier=shown - timedelta(days=1),
        later=shown + timedelta(days=1),
        opening=[tuple(map(datetime.fromisoformat, span)) for span in found["opening"]],
        appointments=[_appointment(request, one) for one in found["appointments"]],
        name=live.name,
        survivor=live.survivor,
    )


async def _book(
    request: Request,
    who: Staff,
    patient_id: UUID,
    mode: str,
    provider: str,
    first: date | None,
    problem: Problem | None = None,
) -> Response:
    clinic = _clinic(request)
    modes = clinic.appointments.consultation.modes
    mode = mode if mode in modes else modes[0]
    people = _providers(request, clinic)
    provider = provider if provider in dict(people) else ""
    calendar = await call(request, who, "scheduling", "GET", f"/api/v1/patients/{patient_id}/appointments")
    query = {"kind": "consultation", "mode": mode, "patient_id": str(patient_id)}
    if provider:
        query["provider"] = provider
    times = await _week(request, who, first, query)
    return await show(
        request,
        who,
        "booking.html",
        section="board",
        status=problem.status if problem else 200,
        problem=problem,
        said=_said(request, problem),
        patient_id=patient_id,
        name=live_of(request).name(patient_id),
        key=new_id(),
        modes=[(one, pages_of(request).t(request, f"booking.mode_{one}")) for one in modes],
        mode=mode,
        people=people,
        provider=provider,
        ahead=[_appointment(request, one) for one in calendar["appointments"] if one["state"] in CANCELLABLE],
        movable=MOVABLE,
        waiting=[course for course in calendar["courses"] if course["state"] == "infeasible"],
        week=partial(_page, mode=mode, provider=provider),
        **times,
    )


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
        times = await _week(
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
        said=_said(request, problem),
        patient_id=patient_id,
        name=live_of(request).name(patient_id),
        appointment=found,
        reasons=_reasons(request),
        reason=reason or REASONS[0],
        week=_page,
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
    return await show(
        request,
        who,
        "booking_cancel.html",
        section="board",
        status=problem.status if problem else 200,
        problem=problem,
        said=_said(request, problem),
        patient_id=patient_id,
        name=live_of(request).name(patient_id),
        appointment=await _found(request, who, patient_id, appointment_id),
        reasons=_reasons(request),
        reason=_text(form, "reason"),
        note=_text(form, "note"),
    )


async def _week(
    request: Request, who: Staff, first: date | None, query: dict[str, str], now: str = ""
) -> dict[str, Any]:
    """A week of offers by local day. It begins today at the earliest; without a date with the first free time."""
    today = pages_of(request).dates(request).today
    begin = max(first or today, today)
    found = await _offers(request, who, begin, WEEK, query, now)
    if not found and first is None:
        ahead = await _offers(request, who, begin, _clinic(request).appointments.consultation.offer_days, query, now)
        if ahead:
            begin = ahead[0].at.date()
            found = await _offers(request, who, begin, WEEK, query, now)
    return {
        "days": [(day, list(times)) for day, times in groupby(found, key=lambda time: time.at.date())],
        "first": begin,
        "earlier": max(begin - timedelta(days=WEEK), today) if begin > today else None,
        "later": begin + timedelta(days=WEEK),
    }


async def _offers(request: Request, who: Staff, begin: date, days: int, query: dict[str, str], now: str) -> list[Time]:
    """Free times from a day on, without the time `now` at which the appointment takes place already."""
    asked = urlencode({**query, "from": begin.isoformat(), "days": days})
    found = await call(request, who, "scheduling", "GET", f"/api/v1/offers?{asked}")
    return [
        Time(datetime.fromisoformat(one["starts_at"]), one["starts_at"], tuple(one["provider_ids"]))
        for one in found["offers"]
        if one["starts_at"] != now
    ]


async def _found(request: Request, who: Staff, patient_id: UUID, appointment_id: UUID) -> dict[str, Any]:
    found = await call(request, who, "scheduling", "GET", f"/api/v1/appointments/{appointment_id}")
    live = live_of(request)
    await live.ready()
    if live.survivor(UUID(found["patient_id"])) != live.survivor(patient_id):
        raise NotFound("This person has no such appointment.")
    return _appointment(request, found)


def _appointment(request: Request, found: dict[str, Any]) -> dict[str, Any]:
    say = words_of(request)
    return {
        **found,
        "at": datetime.fromisoformat(found["starts_at"]),
        "until": datetime.fromisoformat(found["ends_at"]),
        "person_id": UUID(found["patient_id"]),
        "people": ", ".join(say.who(one) for one in (found["provider_id"], found["monitor_id"]) if one),
    }


def _said(request: Request, problem: Problem | None) -> tuple[str, str]:
    """Why not, and more of it. What scheduling says in English is shown in English only, where we have other words."""
    if problem is None:
        return "", ""
    pages = pages_of(request)
    language, key = pages.language(request), f"booking.problem_{problem.code}"
    sentences = [one.message for one in problem.fields] or [problem.text]
    more = " ".join(filter(None, (*sentences, problem.remedy)))
    if not pages.texts.has(language, key):
        return problem.title, more
    return pages.t(request, key), more if language == "en" else ""


def _reasons(request: Request) -> list[tuple[str, str]]:
    return [(one, pages_of(request).t(request, f"booking.reason_{one}")) for one in REASONS]


def _page(first: date, **choice: str) -> str:
    """The link to the same page, beginning on that day."""
    return "?" + urlencode({**choice, "from": first.isoformat()})


def _providers(request: Request, clinic: Clinic) -> list[tuple[str, str]]:
    """Whose licence is valid today; scheduling looks at the day itself."""
    now = pages_of(request).dates(request).today
    return [(one.id, one.name) for one in clinic.people if "provider" in one.roles and one.licensed_on(now)]


def _clinic(request: Request) -> Clinic:
    clinic: Clinic = request.app.state.service.clinic
    return clinic


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value.strip() if isinstance(value, str) else ""


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
