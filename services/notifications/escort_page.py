"""The page of whoever takes a patient home: when to be there, what is asked of them, and their yes or no."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.notifications.domain.preparation import drive_again
from services.notifications.handlers import transport
from services.notifications.handlers.reaching import ESCORT, seen
from services.notifications.repository import visits
from services.notifications.rows import VisitRow
from shared.http import links
from shared.http.access import LINK
from shared.http.deps import ServiceDep
from shared.http.ratelimit import limit
from shared.phones import e164
from shared.uow import UnitOfWork

router = APIRouter(include_in_schema=False, dependencies=[Depends(LINK), Depends(limit("escort-page", per_minute=120))])
ACTOR = "escort"
_SAID = frozenset({"yes", "no"})


@router.get("/e/{token}")
async def page(request: Request, token: str, service: ServiceDep, said: str = "") -> Response:
    """What is asked of them; looking changes nothing."""
    async with service.reading() as uow:
        visit = await _asked(uow, token)
        who = await _first_name(uow, visit)
    return _render(request, token, visit, who=who, said=said if said in _SAID else "")


@router.post("/e/{token}")
async def answer(
    request: Request,
    token: str,
    service: ServiceDep,
    answer: Annotated[str, Form(pattern="^(yes|no)$")],
    phone: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """Their yes or no, and where they are reached that day if they like."""
    number = e164(phone, service.clinic.country) if phone.strip() else None
    async with service.transaction(actor=ACTOR) as uow:
        visit = await _asked(uow, token)
        if visit is None:
            return RedirectResponse(f"/e/{token}", 303)
        if answer == "no":
            await transport.decline(uow, visit)
        elif phone.strip() and number is None:
            who = await _first_name(uow, visit)
            return _render(request, token, visit, who=who, wrong=True, phone=phone, status=422)
        else:
            await transport.accept(uow, visit, phone=number)
    return RedirectResponse(f"/e/{token}?said={answer}", 303)


async def _asked(uow: UnitOfWork, token: str) -> VisitRow | None:
    """The visit that they were asked about; None where that is settled without them."""
    link = await links.find(uow.conn, token, purpose=ESCORT, now=uow.now)
    visit = await visits.find(uow.conn, UUID(str(link.data["visit"])))
    return visit if visit is not None and transport.expected(visit, int(link.data["round"]), uow) else None


async def _first_name(uow: UnitOfWork, visit: VisitRow | None) -> str:
    """Whom they take home; the patient gave them the link."""
    if visit is None:
        return ""
    patient = await seen(uow, visit.patient_id)
    words = (await uow.keys.box(patient.id)).open(patient.name).split() if patient.name else []
    return words[0] if words else ""


def _render(request: Request, token: str, visit: VisitRow | None, *, status: int = 200, **context: Any) -> Response:
    clinic = request.app.state.service.clinic
    shown: Response = request.app.state.pages.render(
        request,
        "escort.html",
        status=status,
        token=token,
        visit=visit,
        drive=drive_again(clinic.preparation, visit.ends_at) if visit is not None else None,
        **{"who": "", "said": "", "wrong": False, "phone": "", **context},
    )
    return shown
