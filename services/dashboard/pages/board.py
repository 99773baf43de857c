"""The board: what needs a person, then everybody by stage; renewed in place."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import HTMLResponse

from services.dashboard.domain.board import COLUMNS, Card, Stage
from services.dashboard.domain.phrase import phrase
from services.dashboard.live import Live, Person
from services.dashboard.pages.frame import live_of, pages_of, show, staff_page, words_of
from services.dashboard.pages.start import guide, knows
from services.dashboard.repository import Work
from shared.http.auth import Staff
from shared.http.deps import ServiceDep

router = APIRouter()
Anyone = Annotated[Staff, Depends(staff_page())]
CARE = frozenset({"front_desk", "provider", "monitor"})
COLUMN_LIMIT = 40
NEEDS_LIMIT = 12


@dataclass(frozen=True, slots=True)
class Placed:
    """A card with the open name that the board shows."""

    card: Card
    name: str
    words: str


@dataclass(frozen=True, slots=True)
class Need:
    """A task as a sentence with a clock. `clock` is "now" when it is late, "due" when it is today's."""

    work: Work
    name: str
    words: str
    clock: str
    kind: str


@router.get("/")
async def board(request: Request, who: Anyone, service: ServiceDep) -> HTMLResponse:
    """The whole page."""
    await live_of(request).ready()
    words = {} if await knows(service, who) else guide(request, who)
    return await show(
        request, who, "board.html", section="board", guide=words, **_parts(request, who, service.clock.now())
    )


@router.get("/board")
async def parts(request: Request, who: Anyone, service: ServiceDep) -> HTMLResponse:
    """What changes of it, for the open page."""
    await live_of(request).ready()
    return await show(request, who, "_board.html", **_parts(request, who, service.clock.now()))


def _parts(request: Request, who: Staff, now: datetime) -> dict[str, Any]:
    live = live_of(request)
    columns: dict[Stage, list[Placed]] = {stage: [] for stage in COLUMNS}
    for person in live.people.values():
        placed = place(live, person, now, words=bool(who.roles & CARE))
        if placed.card.stage in columns:
            columns[placed.card.stage].append(placed)
    for cards in columns.values():
        cards.sort(key=lambda it: (not it.card.hot, it.card.order or now, it.name, str(it.card.patient_id)))
    mine = needs(request, (task for task in live.work.values() if task.role in who.roles), now)
    coming = sorted((it for it in columns[Stage.COURSE] + columns[Stage.CONSULTATION] if _ahead(it, now)), key=_when)
    return {
        "columns": columns,
        "limit": COLUMN_LIMIT,
        "needs": mine[:NEEDS_LIMIT],
        "need_count": len(mine),
        "others": len(live.work) - len(mine),
        "coming": coming[0] if coming else None,
    }


def place(live: Live, person: Person, now: datetime, *, words: bool = True) -> Placed:
    """A person's card at this moment; with their own words for those who care for them."""
    return Placed(live.card(person, now), person.name, person.words if words else "")


def needs(request: Request, tasks: Iterable[Work], now: datetime) -> list[Need]:
    """Tasks as sentences, the nearest deadline first, those without one last."""
    live, dates, say = live_of(request), pages_of(request).dates(request), words_of(request)

    def need(task: Work) -> Need:
        if task.deadline is None:
            clock, kind = pages_of(request).t(request, "board.no_deadline"), ""
        else:
            late = task.deadline < now + timedelta(minutes=5)
            today = task.deadline.astimezone(dates.tz).date() == dates.today
            clock, kind = dates.left(task.deadline), "now" if late else "due" if today else ""
        name = live.name(task.patient_id) or say(phrase(_nameless(live, task)))
        return Need(task, name, live.details.get(task.task_id, ""), clock, kind)

    far = now + timedelta(days=36_500)
    return [need(task) for task in sorted(tasks, key=lambda it: (it.deadline or far, it.raised_at, str(it.task_id)))]


def _nameless(live: Live, task: Work) -> str:
    return "board.unnamed" if task.patient_id and live.survivor(task.patient_id) in live.people else "board.unknown"


def _ahead(placed: Placed, now: datetime) -> bool:
    return placed.card.at is not None and not placed.card.since and placed.card.at > now


def _when(placed: Placed) -> datetime:
    assert placed.card.at is not None
    return placed.card.at
