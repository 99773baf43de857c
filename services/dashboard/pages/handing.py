"""Handing appointments to others at their own time: one of them, or all of a day on which somebody is away.

The facts are scheduling's: who is away, who could stand in, and that nobody is in two places at once.
"""

from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from services.dashboard.calls import call
from services.dashboard.pages.booking_parts import appointment_of, clinic_of, said_of
from services.dashboard.pages.frame import done, errors, live_of, pages_of, show, staff_page, words_of
from services.dashboard.repository import read_model as repository
from shared.http.auth import Staff
from shared.http.deps import ServiceDep
from shared.http.problems import FieldProblem, Invalid, NotFound, Problem
from shared.service import Service

router = APIRouter(include_in_schema=False)
Booker = Annotated[Staff, Depends(staff_page("front_desk", "provider"))]
PARTS = ("provider", "monitor")
REASON = "clinic"
AHEAD_DAYS = 367
"""All that can be written down: scheduling takes what begins within a year."""
EMPTY = {"person": "", "first": "", "last": "", "from": "", "until": ""}


@router.get("/patients/{patient_id}/appointments/{appointment_id}/hand-over")
async def ask(patient_id: UUID, appointment_id: UUID, request: Request, who: Booker) -> Response:
    """Who could take it over at its own time."""
    return await _ask(request, who, patient_id, appointment_id)


@router.post("/patients/{patient_id}/appointments/{appointment_id}/hand-over")
async def hand_over(patient_id: UUID, appointment_id: UUID, request: Request, who: Booker) -> Response:
    """Hand it to those who were chosen."""
    form = await request.form()
    try:
        await _hand(request, who, form, appointment_id)
    except Problem as problem:
        return await _ask(request, who, patient_id, appointment_id, problem)
    return done(f"/patients/{patient_id}")


@router.get("/today/away")
async def who_is_away(request: Request, who: Booker, day: date | None = None, person: str = "") -> Response:
    """Who is away in the weeks to come, and a form to write it down."""
    first = (day or pages_of(request).dates(request).today).isoformat()
    return await _away(request, who, {**EMPTY, "first": first, "person": person})


@router.post("/today/away")
async def note(request: Request, service: ServiceDep, who: Booker) -> Response:
    """Somebody is away; then what stands in that time, where something does."""
    form = await request.form()
    given = {name: _text(form, name) for name in EMPTY}
    try:
        begin, end = _span(request, given)
        body = {"person_id": given["person"], "starts_at": begin.isoformat(), "ends_at": end.isoformat()}
        noted = await call(request, who, "scheduling", "POST", "/api/v1/absences", json=body)
    except Problem as problem:
        return await _away(request, who, given, problem)
    await _tell(service)
    return done(f"/today/away/{noted['id']}" if noted["in_the_way"] else "/today/away")


@router.get("/today/away/{absence_id}")
async def cover(absence_id: UUID, request: Request, who: Booker) -> Response:
    """What stands in an absence, each with who could take it over."""
    return await _cover(request, who, absence_id)


@router.post("/today/away/{absence_id}")
async def covered(absence_id: UUID, request: Request, who: Booker) -> Response:
    """Hand over all for whom somebody was chosen; what could not be is shown with the reason."""
    form, refused = await request.form(), dict[UUID, Problem]()
    chosen = [name.partition(":")[2] for name in form if name.startswith(PARTS) and _text(form, name)]
    for appointment_id in dict.fromkeys(map(UUID, chosen)):
        try:
            await _hand(request, who, form, appointment_id, mark=f":{appointment_id}")
        except Problem as problem:
            refused[appointment_id] = problem
    return await _cover(request, who, absence_id, refused) if refused else done(f"/today/away/{absence_id}")


@router.post("/today/away/{absence_id}/back")
async def back(absence_id: UUID, request: Request, service: ServiceDep, who: Booker) -> Response:
    """They are here after all."""
    try:
        await call(request, who, "scheduling", "DELETE", f"/api/v1/absences/{absence_id}")
    except Problem as problem:
        return await _away(request, who, {**EMPTY}, problem)
    await _tell(service)
    return done("/today/away")


async def _tell(service: Service) -> None:
    """An absence is no event: other people's open days would learn of it a minute later, by their own poll."""
    async with service.pool.acquire() as conn:
        await repository.look_again(conn)


async def _hand(request: Request, who: Staff, form: FormData, appointment_id: UUID, mark: str = "") -> None:
    """`mark` ends the names of the fields where a form is about several appointments."""
    people = {f"{part}_id": chosen for part in PARTS if (chosen := _text(form, part + mark))}
    if not people:
        problem = FieldProblem("provider", "Nobody was chosen.", "Choose who takes it over.")
        raise Invalid(code="nobody_chosen", fields=[problem])
    seen = {"starts_at": _text(form, "at" + mark), "revision": _text(form, "revision" + mark)}
    body = {**seen, **people, "reason": REASON}
    await call(request, who, "scheduling", "POST", f"/api/v1/appointments/{appointment_id}/reschedule", json=body)


async def _ask(
    request: Request, who: Staff, patient_id: UUID, appointment_id: UUID, problem: Problem | None = None
) -> Response:
    live = live_of(request)
    await live.ready()
    found = await _stand_ins(request, who, appointment_id)
    if live.survivor(found["appointment"]["person_id"]) != live.survivor(patient_id):
        raise NotFound("This person has no such appointment.")
    return await show(
        request,
        who,
        "handing.html",
        section="board",
        status=problem.status if problem else 200,
        problem=problem,
        said=said_of(request, problem),
        patient_id=patient_id,
        name=live.name(patient_id),
        **found,
    )


async def _cover(
    request: Request, who: Staff, absence_id: UUID, refused: dict[UUID, Problem] | None = None
) -> Response:
    """One by one: each look asks for the whole calendar of its day, and there are a handful."""
    live = live_of(request)
    await live.ready()
    away = await call(request, who, "scheduling", "GET", f"/api/v1/absences/{absence_id}")
    rows = []
    for one in map(UUID, away["in_the_way"]):
        try:
            found = await _stand_ins(request, who, one, away["person_id"])
        except Problem as problem:
            found = await call(request, who, "scheduling", "GET", f"/api/v1/appointments/{one}")
            found = {"appointment": appointment_of(request, found), "parts": []}
            refused = {one: problem} | (refused or {})
        rows.append({**found, "said": said_of(request, (refused or {}).get(one))})
    rows.sort(key=lambda row: row["appointment"]["at"])
    return await show(
        request,
        who,
        "cover.html",
        section="today",
        status=409 if refused else 200,
        away=_absence(away),
        rows=rows,
        name=live.name,
        survivor=live.survivor,
        some=any(part["free"] for row in rows for part in row["parts"]),
    )


async def _away(request: Request, who: Staff, given: dict[str, str], problem: Problem | None = None) -> Response:
    await live_of(request).ready()
    today = pages_of(request).dates(request).today
    found = await call(
        request, who, "scheduling", "GET", f"/api/v1/absences?from={today.isoformat()}&days={AHEAD_DAYS}"
    )
    people = [(one.id, one.name) for one in clinic_of(request).people if {"provider", "monitor"} & set(one.roles)]
    said, named = said_of(request, problem), {"starts_at": "first", "ends_at": "last", "person_id": "person"}
    return await show(
        request,
        who,
        "away.html",
        section="today",
        status=problem.status if problem else 200,
        problem=problem,
        said=said,
        wrong=dict.fromkeys(EMPTY, "") | {named.get(name, name): said[0] for name in errors(problem)},
        given=given,
        people=people,
        absences=[_absence(one) for one in found["absences"]],
    )


async def _stand_ins(request: Request, who: Staff, appointment_id: UUID, person: str = "") -> dict[str, Any]:
    """The appointment and its parts; of `person` only, where one is named."""
    found = await call(request, who, "scheduling", "GET", f"/api/v1/appointments/{appointment_id}/stand-ins")
    name = words_of(request).who
    parts = [
        {
            **one,
            "name": name(one["person_id"]),
            "free": [(it["person_id"], name(it["person_id"])) for it in one["others"] if it["standing"] == "free"],
            "not_free": [(name(it["person_id"]), it["standing"]) for it in one["others"] if it["standing"] != "free"],
        }
        for one in found["parts"]
        if person in ("", one["person_id"])
    ]
    return {"appointment": appointment_of(request, found["appointment"]), "parts": parts}


def _absence(found: dict[str, Any]) -> dict[str, Any]:
    """With its moments; `last` is its last day where it is made of whole days."""
    at, until = datetime.fromisoformat(found["starts_at"]), datetime.fromisoformat(found["ends_at"])
    whole = (at.time(), until.time()) == (time(), time())
    return {**found, "at": at, "until": until, "last": until.date() - timedelta(days=1) if whole else None}


def _span(request: Request, given: dict[str, str]) -> tuple[datetime, datetime]:
    """From when to when, in the clinic's zone; whole days where no clock times are given."""
    tz = clinic_of(request).tz
    try:
        first = date.fromisoformat(given["first"])
        last = date.fromisoformat(given["last"]) if given["last"] else first
        begin = datetime.combine(first, time.fromisoformat(given["from"]) if given["from"] else time(), tz)
        end = (
            datetime.combine(last, time.fromisoformat(given["until"]), tz)
            if given["until"]
            else datetime.combine(last + timedelta(days=1), time(), tz)
        )
    except (ValueError, OverflowError) as error:
        problem = FieldProblem("first", "That is no day or no time.", "Write it like 2026-12-24 and 14:30.")
        raise Invalid(code="no_day", fields=[problem]) from error
    if end <= begin:
        problem = FieldProblem("last", "It ends before it begins.", "Exchange or correct the two.")
        raise Invalid(code="backwards", fields=[problem])
    return begin, end


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value.strip() if isinstance(value, str) else ""
