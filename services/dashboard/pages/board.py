"""The board: what needs a person, then everybody by stage; renewed in place."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import HTMLResponse

from services.dashboard.boards import View
from services.dashboard.domain.board import Card, card
from services.dashboard.live import Person
from services.dashboard.pages.frame import boards_of, live_of, pages_of, show, staff_page
from services.dashboard.pages.start import guide, knows
from shared.http.auth import Staff
from shared.http.deps import ServiceDep

router = APIRouter()
Anyone = Annotated[Staff, Depends(staff_page())]


@dataclass(frozen=True, slots=True)
class Placed:
    """A card with the open name that a list shows."""

    card: Card
    name: str


@router.get("/")
async def board(request: Request, who: Anyone, service: ServiceDep) -> HTMLResponse:
    """The whole page."""
    await live_of(request).ready()
    words = {} if await knows(service, who) else guide(request, who)
    parts = boards_of(request).context(view_of(request, who))
    return await show(request, who, "board.html", section="board", guide=words, **parts)


@router.get("/board")
async def parts(request: Request, who: Anyone) -> HTMLResponse:
    """What changes of it, for an open page that missed something."""
    await live_of(request).ready()
    return await show(request, who, "_board.html", **boards_of(request).context(view_of(request, who)))


def view_of(request: Request, who: Staff) -> View:
    """Which board this person sees."""
    return View(pages_of(request).language(request), who.roles)


def place(person: Person, now: datetime) -> Placed:
    """A person's card at this moment."""
    return Placed(card(person.patient, now), person.name)
