"""The dashboard's composition root: the only file that wires."""

from dataclasses import dataclass, field

import httpx
from fastapi import FastAPI

from services.dashboard import calls, finding
from services.dashboard.boards import Boards
from services.dashboard.consumers import consumes
from services.dashboard.live import Live
from services.dashboard.pages import (
    board,
    booking,
    call,
    chart,
    contacts,
    decision,
    details,
    developers,
    funnel,
    handing,
    letters,
    live,
    merging,
    patient,
    ride,
    search,
    session,
    start,
    stopping,
    tasks,
    today,
)
from services.dashboard.settings import DashboardSettings
from shared.http import oidc
from shared.http.app import create_app
from shared.service import Service
from shared.web.pages import Pages


@dataclass(slots=True)
class State:
    """What the dashboard holds besides the runtime's own."""

    live: Live = field(default_factory=Live)
    boards: Boards = field(init=False)
    http: httpx.AsyncClient = field(default_factory=calls.client)

    def __post_init__(self) -> None:
        self.boards = Boards(self.live)

    async def keep_http(self, _service: Service) -> None:
        """The job that closes the connections to the other services at the end."""
        await calls.until_stopped(self.http)


def create(settings: DashboardSettings | None = None) -> FastAPI:
    """The dashboard as an ASGI application."""
    settings = settings or DashboardSettings()
    state = State()
    jobs = [state.live.follow, state.boards.follow, finding.index_all, state.keep_http]
    checks = {"board": state.boards.trouble}
    service = Service("dashboard", settings, consumes=consumes, jobs=jobs, checks=checks, state=state)
    routers = [
        oidc.router(settings),
        board.router,
        start.router,
        live.router,
        search.router,
        call.router,
        tasks.router,
        ride.router,
        stopping.router,
        merging.router,
        details.router,
        booking.router,
        handing.router,
        today.router,
        session.router,
        chart.router,
        decision.router,
        patient.router,
        contacts.router,
        funnel.router,
        letters.router,
        developers.router,
    ]
    pages = Pages("services.dashboard", staff=True)
    state.boards.use(pages, service)
    return create_app(service, title="Passage", routers=routers, pages=pages, staff_pages=True)
