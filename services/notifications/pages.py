"""The patient's page of a visit, over the link in our messages. Looking changes nothing; no account, no JavaScript."""

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.notifications.domain.preparation import drive_again, items
from services.notifications.domain.wellbeing import EFFECTS
from services.notifications.handlers import preparing, transport
from services.notifications.handlers.preparing import LONGEST_NOTE
from services.notifications.handlers.reaching import PAGE
from services.notifications.handlers.transport import LONGEST_NAME
from services.notifications.repository import visits
from services.notifications.rows import VisitRow
from shared.http import links
from shared.http.access import LINK
from shared.http.deps import ServiceDep
from shared.http.problems import NotFound
from shared.http.ratelimit import limit
from shared.phones import e164
from shared.uow import UnitOfWork

router = APIRouter(include_in_schema=False, dependencies=[Depends(LINK), Depends(limit("visit-page", per_minute=120))])
ACTOR = "patient"
_SAID = frozenset({"ride", "nobody", "answer", "changed"})


@router.get("/p/{token}")
async def page(
    request: Request, token: str, service: ServiceDep, visit: UUID | None = None, said: str = ""
) -> Response:
    """Date, way home and preparation of one visit; the next one, unless the address names another of theirs."""
    async with service.reading() as uow:
        shown, others = await _visits(uow, token, visit)
        answers = await visits.answers(uow.conn, shown.id) if shown is not None else {}
        known = await _known(uow, shown)
    return _render(request, token, shown, others, answers=answers, said=said if said in _SAID else "", **known)


@router.post("/p/{token}/ride")
async def ride(
    request: Request,
    token: str,
    service: ServiceDep,
    visit: Annotated[UUID, Form()],
    escort: Annotated[str, Form(max_length=500)] = "",
    phone: Annotated[str, Form(max_length=40)] = "",
    nobody: Annotated[str, Form(max_length=8)] = "",
) -> Response:
    """Who takes them home, or that they have nobody yet."""
    async with service.transaction(actor=ACTOR) as uow:
        shown, others = await _named(uow, token, visit)
        if nobody:
            await transport.nobody_yet(uow, shown)
            return _back(token, shown, "nobody", "ride")
        escort = " ".join(escort.split())[:LONGEST_NAME]
        number = e164(phone, service.clinic.country) if phone.strip() else None
        if wrong := "ride" if not escort else "phone" if phone.strip() and number is None else "":
            answers = await visits.answers(uow.conn, shown.id)
            known = await _known(uow, shown)
            typed = {"wrong": wrong, "named": escort, "phone": phone}
            return _render(request, token, shown, others, answers=answers, status=422, **known, **typed)
        await transport.confirm(uow, shown, escort=escort, by="patient", phone=number)
    return _back(token, shown, "ride", "ride")


@router.post("/p/{token}/prepare")
async def prepare(
    token: str,
    service: ServiceDep,
    visit: Annotated[UUID, Form()],
    item: Annotated[str, Form(max_length=32)],
    answer: Annotated[str, Form(pattern="^(yes|no)$")],
) -> Response:
    """One item of the preparation."""
    async with service.transaction(actor=ACTOR) as uow:
        shown, _ = await _named(uow, token, visit)
        try:
            await preparing.answer(uow, shown, item, ok=answer == "yes")
        except LookupError:
            raise NotFound("The list has no such item.") from None
    return _back(token, shown, "answer", f"item-{item}")


@router.post("/p/{token}/changed")
async def changed(
    request: Request,
    token: str,
    service: ServiceDep,
    visit: Annotated[UUID, Form()],
    words: Annotated[str, Form(max_length=8_000)] = "",
) -> Response:
    """Something changed: a person reads it."""
    async with service.transaction(actor=ACTOR) as uow:
        shown, others = await _named(uow, token, visit)
        if not words.strip():
            answers = await visits.answers(uow.conn, shown.id)
            known = await _known(uow, shown)
            return _render(request, token, shown, others, answers=answers, wrong="changed", status=422, **known)
        await preparing.tell(uow, shown, words.strip()[:LONGEST_NOTE])
    return _back(token, shown, "changed", "changed")


async def _visits(uow: UnitOfWork, token: str, wanted: UUID | None) -> tuple[VisitRow | None, list[VisitRow]]:
    """The visit that is shown, and the others that are still ahead."""
    link = await links.find(uow.conn, token, purpose=PAGE, now=uow.now)
    every = await visits.of_patients(uow.conn, [link.subject])
    ahead = [visit for visit in every if visit.state == "ahead" and visit.ends_at > uow.now]
    if wanted is not None and wanted not in {visit.id for visit in ahead}:
        raise NotFound("This visit is over or was moved.", remedy="Open the link from our latest message again.")
    meant = wanted or UUID(str(link.data["visit"]))
    shown = next((visit for visit in ahead if visit.id == meant), ahead[0] if ahead else None)
    return shown, [visit for visit in ahead if shown is not None and visit.id != shown.id]


async def _named(uow: UnitOfWork, token: str, visit: UUID) -> tuple[VisitRow, list[VisitRow]]:
    shown, others = await _visits(uow, token, visit)
    assert shown is not None
    return shown, others


async def _known(uow: UnitOfWork, visit: VisitRow | None) -> dict[str, Any]:
    """Who takes them home, and the link that the patient passes on to them."""
    if visit is None:
        return {}
    box = await uow.keys.box(visit.patient_id)
    return {
        "escort": box.open(visit.escort) if visit.escort else "",
        "escort_token": box.open(visit.escort_link) if visit.escort_link else "",
    }


def _back(token: str, visit: VisitRow, said: str, place: str) -> Response:
    return RedirectResponse(f"/p/{token}?{urlencode({'visit': visit.id, 'said': said})}#{place}", 303)


def _render(
    request: Request,
    token: str,
    visit: VisitRow | None,
    others: list[VisitRow],
    *,
    status: int = 200,
    escort_token: str = "",
    **context: Any,
) -> Response:
    service = request.app.state.service
    clinic = service.clinic
    session = visit is not None and visit.kind == "session" and visit.dose_at is not None
    shown: Response = request.app.state.pages.render(
        request,
        "visit.html",
        status=status,
        token=token,
        visit=visit,
        others=others,
        session=session,
        effects=EFFECTS,
        items=items(clinic.preparation, visit.dose_at, visit.ends_at)
        if visit is not None and visit.dose_at is not None
        else (),
        drive=drive_again(clinic.preparation, visit.ends_at) if visit is not None else None,
        escort_link=f"{service.settings.public_url}/e/{escort_token}" if escort_token else "",
        **{"said": "", "wrong": "", "answers": {}, "escort": "", "named": "", "phone": "", **context},
    )
    return shown
