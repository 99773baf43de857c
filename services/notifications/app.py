"""Notifications' composition root: the only file that wires."""

from fastapi import FastAPI

from services.notifications import after_page, api, escort_page, pages
from services.notifications.consumers import consumes
from services.notifications.jobs import deliver, timers
from services.notifications.settings import Settings
from shared.http.app import create_app
from shared.http.dead_letters import router as dead_letters
from shared.http.tasks import router as tasks
from shared.service import Service
from shared.web.pages import Pages


def create(settings: Settings | None = None) -> FastAPI:
    """Notifications as an ASGI application, not yet started."""
    service = Service("notifications", settings or Settings(), consumes=consumes, timers=timers, jobs=[deliver])
    routers = [pages.router, escort_page.router, after_page.router, api.router, tasks, dead_letters]
    return create_app(service, title="Passage: notifications", routers=routers, pages=Pages("services.notifications"))
