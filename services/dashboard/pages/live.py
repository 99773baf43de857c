"""Server-sent events: "something changed", with a cursor from which a lost connection resumes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import StreamingResponse

from services.dashboard.boards import Boards, View, reaches
from services.dashboard.live import Live
from services.dashboard.pages.board import view_of
from services.dashboard.pages.frame import boards_of, live_of, staff_page
from shared.http.auth import Staff
from shared.http.deps import ServiceDep
from shared.http.streams import until_any
from shared.service import Service

router = APIRouter()
BEAT_SECONDS = 15.0
# An event and no comment: a page that hears nothing for longer knows that its connection is dead.
BEAT = "event: beat\ndata:\n\n"
# Changes that follow the first one closely are told once.
GATHER_SECONDS = 0.1
# After this the browser connects again by itself, and is asked again who it is.
LIFE_SECONDS = 600.0
RETRY_MS = 500
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


@router.get("/live/changes")
async def changes(
    request: Request,
    service: ServiceDep,
    _who: Annotated[Staff, Depends(staff_page())],
    after: Annotated[int | None, Query(ge=0)] = None,
    patient: UUID | None = None,
) -> StreamingResponse:
    """One `changed` event for each round of changes; its id is the cursor. `Last-Event-ID` comes before `after`."""
    last = request.headers.get("last-event-id", "")
    start = int(last) if last.isdecimal() and len(last) < 19 else after
    live = live_of(request)
    await live.ready()
    stopping = request.app.state.stopping
    stream = _stream(service, live, start, live.survivor(patient) if patient else None, stopping)
    return StreamingResponse(stream, media_type="text/event-stream", headers=HEADERS)


@router.get("/live/board")
async def board(
    request: Request,
    who: Annotated[Staff, Depends(staff_page())],
    round_: Annotated[str, Query(alias="round", max_length=40)] = "",
) -> StreamingResponse:
    """What changes on the board, as HTML to be put in place: `board` events, each from one round to the next.

    `changed` where this page has not the last round (`round`): it asks for the whole board, then goes on.
    """
    boards = boards_of(request)
    await live_of(request).ready()
    stream = _boards(boards, view_of(request, who), round_, request.app.state.stopping)
    return StreamingResponse(stream, media_type="text/event-stream", headers=HEADERS)


async def _boards(boards: Boards, view: View, round_: str, stopping: asyncio.Event) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    ends = loop.time() + LIFE_SECONDS
    with boards.reading(view) as reader:
        yield f"retry: {RETRY_MS}\n\n"
        if not reaches(round_, reader.round):
            yield _event(boards.live.cursor)
        while loop.time() < ends and not stopping.is_set():
            await until_any(reader.woken, stopping, seconds=BEAT_SECONDS)
            reader.woken.clear()
            if reader.behind:
                reader.behind = False
                yield _event(boards.live.cursor)
            elif not reader.news:
                yield BEAT
            while reader.news:
                yield reader.news.popleft()


async def _stream(
    service: Service, live: Live, start: int | None, patient: UUID | None, stopping: asyncio.Event
) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    ends = loop.time() + LIFE_SECONDS
    with live.listening(patient) as listener:
        yield f"retry: {RETRY_MS}\n\n"
        if start is not None:
            async with service.reading() as uow:
                missed = await live.changes(uow.conn, start, patient)
            if missed:
                yield _event(live.cursor)
        while loop.time() < ends and not stopping.is_set():
            await until_any(listener.woken, stopping, seconds=BEAT_SECONDS)
            if not listener.woken.is_set():
                yield BEAT
                continue
            listener.woken.clear()
            yield _event(live.cursor)
            await asyncio.sleep(GATHER_SECONDS)


def _event(cursor: int) -> str:
    return f"id: {cursor}\nevent: changed\ndata: {cursor}\n\n"
