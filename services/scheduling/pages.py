"""The patient's page for a first consultation, over a link of their own. Looking changes nothing; no JavaScript."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby, islice
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.scheduling.api import Booker, in_turn
from services.scheduling.domain.appointments import Appointment, IllegalTransition, Mode
from services.scheduling.domain.refusals import Refused, TooSoon
from services.scheduling.handlers import consultations, links
from services.scheduling.problems import not_here
from services.scheduling.repository import calendar
from services.scheduling.views import FIRST_YEAR, LAST_YEAR, Minute
from shared.http.access import LINK
from shared.http.deps import ServiceDep
from shared.http.ratelimit import limit
from shared.service import Service
from shared.uow import UnitOfWork

staff_router = APIRouter(prefix="/api/v1")
router = APIRouter(
    include_in_schema=False, dependencies=[Depends(LINK), Depends(limit("booking-page", per_minute=120))]
)
DAYS = 5
"""How many days with free times a page shows; the rest is a link away."""
SAID = frozenset({"booked", "moved", "cancelled"})
WRONG = frozenset({"taken", "closed", "notice", "too-late", "over"})


class BookingLink(BaseModel):
    """A link for one patient. It is shown once: only its hash is kept."""

    url: str
    expires_at: datetime


@staff_router.post("/patients/{patient_id}/booking-link", status_code=201)
async def issue(service: ServiceDep, who: Booker, patient_id: UUID) -> BookingLink:
    """A link over which the patient books the first consultation."""
    async with service.transaction(actor=who.actor) as uow:
        made = await links.issue(uow, patient_id)
        if made is None:
            raise not_here("Nobody with this id can be booked.")
        token, expires_at = made
    return BookingLink(url=f"{service.settings.public_url}/b/{token}", expires_at=expires_at)


@router.get("/b/{token}")
async def page(
    request: Request, token: str, service: ServiceDep, mode: str = "", after: str = "", ask: str = "", said: str = ""
) -> Response:
    """The times, or what is booked. `ask` is "move" or "cancel"."""
    return await _page(request, service, token, mode=mode, after=after, ask=ask, said=said if said in SAID else "")


@router.post("/b/{token}")
async def book(
    request: Request,
    token: str,
    service: ServiceDep,
    starts_at: Annotated[Minute, Form()],
    mode: Annotated[Mode, Form()],
) -> Response:
    """Book the time whose button was pressed; one that was taken meanwhile brings the others."""
    at = starts_at.astimezone(UTC)
    return await _do(request, service, token, lambda uow: links.book(uow, token, at, mode), "booked", mode=mode)


@router.post("/b/{token}/move")
async def move(request: Request, token: str, service: ServiceDep, starts_at: Annotated[Minute, Form()]) -> Response:
    """Move it there."""
    at = starts_at.astimezone(UTC)
    return await _do(request, service, token, lambda uow: links.move(uow, token, at), "moved", ask="move")


@router.post("/b/{token}/cancel")
async def cancel(request: Request, token: str, service: ServiceDep) -> Response:
    """Cancel it."""
    return await _do(request, service, token, lambda uow: links.cancel(uow, token), "cancelled")


async def _do(
    request: Request,
    service: Service,
    token: str,
    act: Callable[[UnitOfWork], Awaitable[Appointment | None]],
    said: str,
    *,
    mode: str = "",
    ask: str = "",
) -> Response:
    try:
        await in_turn(service, links.ACTOR, act)
    except TooSoon:
        wrong = "notice"
    except Refused as refused:
        wrong = refused.code if refused.code in WRONG else "closed"
    except IllegalTransition:
        wrong = "over"
    else:
        return RedirectResponse(f"/b/{token}?{urlencode({'said': said})}", 303)
    return await _page(request, service, token, mode=mode, ask=ask, wrong=wrong, status=409)


async def _page(
    request: Request,
    service: Service,
    token: str,
    *,
    mode: str = "",
    after: str = "",
    ask: str = "",
    said: str = "",
    wrong: str = "",
    status: int = 200,
) -> Response:
    clinic = service.clinic
    modes = clinic.appointments.consultation.modes
    mode = mode if mode in modes else modes[0]
    async with service.reading() as uow:
        shown = await links.find(uow, token)
        choosing = shown.booked is None or (ask == "move" and shown.open)
        chosen = shown.booked.mode if shown.booked else next(one for one in modes if one == mode)
        days, later = await _days(uow, shown, chosen, after) if choosing else ([], None)
    rendered: Response = request.app.state.pages.render(
        request,
        "booking.html",
        status=status,
        token=token,
        booked=shown.booked,
        open=shown.open,
        choosing=choosing,
        asking=ask == "cancel" and shown.open,
        modes=modes,
        mode=chosen,
        days=days,
        later=later,
        began_later=bool(after),
        said=said,
        wrong=wrong,
        minutes=clinic.appointments.consultation.minutes,
    )
    return rendered


async def _days(
    uow: UnitOfWork, shown: links.Shown, mode: Mode, after: str
) -> tuple[list[tuple[date, list[datetime]]], date | None]:
    """The next days with free times after a day, and where the following page begins."""
    tz = uow.clinic.tz
    day = _day(after)
    first = datetime.combine(day, time(), tz).astimezone(UTC) if day else uow.now
    last = uow.now + timedelta(days=uow.clinic.appointments.consultation.offer_days)
    patients = await calendar.family(uow.conn, shown.patient_id)
    moving = shown.booked.id if shown.booked else None
    free = await consultations.free_times(uow, mode, max(first, uow.now), last, None, patients, moving)
    now = shown.booked.starts_at if shown.booked else None
    times = [one.starts_at.astimezone(tz) for one in free if one.starts_at != now]
    every = [(day, list(those)) for day, those in groupby(times, key=lambda at: at.date())]
    page = list(islice(every, DAYS))
    return page, every[DAYS][0] if len(every) > DAYS else None


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if FIRST_YEAR <= day.year <= LAST_YEAR else None
