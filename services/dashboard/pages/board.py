"""The board: what needs a person, then everybody by stage; renewed in place."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from services.dashboard.boards import View
from services.dashboard.domain.board import COLUMNS, Card, Stage, card
from services.dashboard.live import Person
from services.dashboard.pages.frame import boards_of, done, live_of, pages_of, show, staff_page
from services.dashboard.pages.start import guide, knows
from shared.http.auth import Staff
from shared.http.deps import ServiceDep

router = APIRouter()
Anyone = Annotated[Staff, Depends(staff_page())]
PAGE = 120


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


@router.get("/stages/{stage}")
async def of_stage(
    request: Request, who: Anyone, stage: Stage, page: Annotated[int, Query(ge=1, le=1_000)] = 1
) -> Response:
    """Everybody in one stage, in the order of the board: a column of the board shows the first of them."""
    await live_of(request).ready()
    if stage not in COLUMNS:
        return done("/")
    count, cards = boards_of(request).of_stage(view_of(request, who), stage, (page - 1) * PAGE, PAGE)
    last = max(-(-count // PAGE), 1)
    if page > last:
        return done(f"/stages/{stage}?page={last}")
    template = "_stage.html" if request.headers.get("hx-request") else "stage.html"
    return await show(
        request, who, template, section="board", stage=stage, count=count, cards=cards, page=page, last=last
    )


def view_of(request: Request, who: Staff) -> View:
    """Which board this person sees."""
    return View(pages_of(request).language(request), who.roles)


def place(person: Person, now: datetime) -> Placed:
    """A person's card at this moment."""
    return Placed(card(person.patient, now), person.name)
