"""Assessment, wired."""

from fastapi import FastAPI

from services.assessment import api, api_day, api_patient, pages
from services.assessment.consumers import consumes
from services.assessment.jobs import ask_payers, timers
from services.assessment.settings import Settings
from shared.http.app import create_app
from shared.http.dead_letters import router as dead_letters
from shared.http.tasks import router as tasks
from shared.service import Service
from shared.web.pages import Pages


def create(settings: Settings | None = None) -> FastAPI:
    """The service, not yet started."""
    service = Service("assessment", settings or Settings(), consumes=consumes, timers=timers, jobs=[ask_payers])
    routers = [api.router, api_day.router, api_patient.router, pages.router, tasks, dead_letters]
    return create_app(service, title="Passage: assessment", routers=routers, pages=Pages("services.assessment"))
