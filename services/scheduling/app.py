"""Scheduling, wired."""

from fastapi import FastAPI

from services.scheduling import api, api_absences, api_day, pages
from services.scheduling.consumers import consumes
from services.scheduling.jobs import plan_courses
from services.scheduling.settings import Settings
from shared.http.app import create_app
from shared.http.dead_letters import router as dead_letters
from shared.http.tasks import router as tasks
from shared.service import Service
from shared.web.pages import Pages


def create(settings: Settings | None = None) -> FastAPI:
    """The service, not yet started."""
    service = Service("scheduling", settings or Settings(), consumes=consumes, jobs=[plan_courses], hears=True)
    routers = [api.router, api_day.router, api_absences.router, pages.staff_router, pages.router, tasks, dead_letters]
    return create_app(service, title="Scheduling", routers=routers, pages=Pages("services.scheduling"))
