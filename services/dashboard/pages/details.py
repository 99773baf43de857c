"""Who somebody is and how to reach them: corrected by the front desk, who also follows a contact no further; the facts
are intake's.
"""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from services.dashboard.calls import call
from services.dashboard.live import Live, Person
from services.dashboard.needs import Need, needs
from services.dashboard.pages.frame import done, errors, live_of, pages_of, show, staff_page, words_of
from shared.http.auth import Staff
from shared.http.deps import ServiceDep
from shared.http.problems import FieldProblem, Invalid, NotFound, Problem
from shared.service import Service

router = APIRouter(prefix="/patients/{patient_id}")
Desk = Annotated[Staff, Depends(staff_page("front_desk"))]
Eraser = Annotated[Staff, Depends(staff_page("operations"))]
FIELDS = ("name", "phone", "email", "date_of_birth", "language")
WAS = "was_"
"""Before a field's name: what it held when the page was opened. What was not touched is not sent: somebody may have
corrected it meanwhile.
"""
DIFFERS = "contact-differs"
REASONS = ("unreachable", "no_reply", "not_interested", "other")
"""Why somebody is followed no further; the words are in `texts/`, as the story says them."""


@router.get("/details")
async def form(patient_id: UUID, request: Request, who: Desk, service: ServiceDep) -> Response:
    """What is known, to be corrected; the reading is on record."""
    if elsewhere := await _elsewhere(request, patient_id):
        return elsewhere
    known = await call(request, who, "intake", "GET", f"/api/v1/patients/{patient_id}")
    values = {name: str(known[name] or "") for name in FIELDS}
    return await _details(request, service, who, patient_id, values, values)


@router.post("/details")
async def correct(patient_id: UUID, request: Request, who: Desk, service: ServiceDep) -> Response:
    """Send what was changed."""
    if elsewhere := await _elsewhere(request, patient_id):
        return elsewhere
    given = await request.form()
    values = {name: str(given.get(name) or "").strip() for name in FIELDS}
    was = {name: str(given.get(WAS + name) or "") for name in FIELDS}
    changed = {name: values[name] or None for name in FIELDS if values[name] != was[name]}
    try:
        if changed:
            await call(request, who, "intake", "PATCH", f"/api/v1/patients/{patient_id}", json=changed)
    except Problem as problem:
        return await _details(request, service, who, patient_id, values, was, problem)
    return done(f"/patients/{patient_id}")


@router.get("/close")
async def ask_why(patient_id: UUID, request: Request, who: Desk, service: ServiceDep) -> Response:
    """What it means to follow somebody no further, and the reasons."""
    if elsewhere := await _elsewhere(request, patient_id):
        return elsewhere
    return await _closing(request, service, who, patient_id)


@router.post("/close")
async def close(patient_id: UUID, request: Request, who: Desk, service: ServiceDep) -> Response:
    """Follow them no further, because."""
    if elsewhere := await _elsewhere(request, patient_id):
        return elsewhere
    reason = str((await request.form()).get("reason") or "")
    try:
        if reason not in REASONS:
            raise Invalid(fields=[FieldProblem("reason", "Why is it closed?", "Choose the reason.")])
        await call(request, who, "intake", "POST", f"/api/v1/patients/{patient_id}/close", json={"reason": reason})
    except Problem as problem:
        return await _closing(request, service, who, patient_id, problem)
    return done(f"/patients/{patient_id}")


@router.get("/erase")
async def ask(patient_id: UUID, request: Request, who: Eraser) -> Response:
    """What is destroyed, and what stays."""
    if elsewhere := await _elsewhere(request, patient_id):
        return elsewhere
    return await _erasing(request, who, patient_id)


@router.post("/erase")
async def erase(patient_id: UUID, request: Request, who: Eraser) -> Response:
    """Forget them, for good."""
    if elsewhere := await _elsewhere(request, patient_id):
        return elsewhere
    try:
        await call(request, who, "intake", "POST", f"/api/v1/patients/{patient_id}/erase")
    except Problem as problem:
        return await _erasing(request, who, patient_id, problem)
    return done("/")


async def _details(
    request: Request,
    service: Service,
    who: Staff,
    patient_id: UUID,
    values: dict[str, str],
    was: dict[str, str],
    problem: Problem | None = None,
) -> Response:
    person = await _person(request, patient_id)
    wrong = _wrong(request, problem)
    # A language that the clinic no longer speaks stays chosen until somebody chooses another.
    languages = dict.fromkeys((*service.clinic.languages, was["language"] or service.clinic.languages[0]))
    return await _show(
        request,
        who,
        "details.html",
        person,
        problem,
        values=values,
        was=was,
        errors={**dict.fromkeys(FIELDS, ""), **wrong},
        focus=next((name for name in FIELDS if name in wrong), ""),
        language_options=[(code, _language(request, code)) for code in languages],
        needs=_differing(request, service, patient_id),
        closed=person.patient.intake.closed is not None,
        may_erase="operations" in who.roles,
        erasing=f"{service.settings.public_url}/patients/{patient_id}/erase",
    )


async def _closing(
    request: Request, service: Service, who: Staff, patient_id: UUID, problem: Problem | None = None
) -> Response:
    person = await _person(request, patient_id)
    say, pages = words_of(request), pages_of(request)
    return await _show(
        request,
        who,
        "details_close.html",
        person,
        problem,
        reasons=[(code, say.code("reason", code), "") for code in REASONS],
        wrong=pages.t(request, "details.close_wrong") if "reason" in errors(problem) else "",
        booked=_booked(person, service.clock.now()),
    )


async def _erasing(request: Request, who: Staff, patient_id: UUID, problem: Problem | None = None) -> Response:
    person = await _person(request, patient_id)
    back = f"/patients/{patient_id}/details" if "front_desk" in who.roles else "/"
    joined = len(live_of(request).family(patient_id)) - 1
    return await _show(request, who, "details_erase.html", person, problem, back=back, joined=joined)


async def _show(
    request: Request, who: Staff, template: str, person: Person, problem: Problem | None, **context: Any
) -> Response:
    return await show(
        request,
        who,
        template,
        status=problem.status if problem else 200,
        section="board",
        patient_id=person.patient_id,
        name=person.name,
        problem=problem,
        **context,
    )


async def _live(request: Request) -> Live:
    live = live_of(request)
    await live.ready()
    return live


async def _elsewhere(request: Request, patient_id: UUID) -> Response | None:
    """The same page of the person they are, where this contact was merged: nothing is done to it under their name."""
    survivor = (await _live(request)).survivor(patient_id)
    page = request.url.path.rpartition("/")[2]
    return None if survivor == patient_id else done(f"/patients/{survivor}/{page}")


async def _person(request: Request, patient_id: UUID) -> Person:
    live = await _live(request)
    person = live.people.get(patient_id)
    if person is None or person.patient.intake.erased:
        raise NotFound("Nobody with this id is on the board.", remedy="Go back to the board.")
    return person


def _wrong(request: Request, problem: Problem | None) -> dict[str, str]:
    """What is wrong with each field: as intake says it, which is in English."""
    found, pages = errors(problem), pages_of(request)
    if problem is None or pages.language(request) == "en":
        return found
    taken = problem.code == "address_taken"
    keys = {name: "details.taken" if taken else f"details.wrong_{name}" for name in found if name in FIELDS}
    return {name: pages.t(request, key) for name, key in keys.items()}


def _language(request: Request, code: str) -> str:
    pages, key = pages_of(request), f"language.{code}"
    return pages.t(request, key) if pages.texts.has(pages.language(request), key) else code


def _differing(request: Request, service: Service, patient_id: UUID) -> list[Need]:
    """The new contacts that say otherwise: what they said stands beside the fields."""
    live = live_of(request)
    family = live.family(patient_id)
    found = (it for it in live.work.values() if it.kind == DIFFERS and it.patient_id in family)
    return needs(live, words_of(request), found, service.clock.now())


def _booked(person: Person, now: datetime) -> int:
    every = person.patient.scheduling.appointments.values()
    return sum(1 for it in every if it.standing == "booked" and it.ends_at > now)
