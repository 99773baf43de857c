"""Intake's composition root: the only file that wires."""

from dataclasses import dataclass, field

from fastapi import FastAPI

from services.intake.adapters.mailbox import Mailbox
from services.intake.api import calls, leads, merging, pages, staff, vagaro, voice, webhooks
from services.intake.api.producers import Gate
from services.intake.api.writer import Writer
from services.intake.consumers import consumers
from services.intake.jobs import forget
from services.intake.settings import IntakeSettings
from services.intake.timers import timers
from shared.http import dead_letters, tasks
from shared.http.app import create_app
from shared.service import Service
from shared.web.pages import Pages


@dataclass(slots=True)
class State:
    """What intake holds besides the runtime's own."""

    mailbox: Mailbox
    gate: Gate = field(default_factory=Gate)
    writer: Writer = field(default_factory=Writer)


def create(settings: IntakeSettings | None = None) -> FastAPI:
    """Intake as an ASGI application."""
    settings = settings or IntakeSettings()
    mailbox = Mailbox.load(
        settings.submissions_key_file,
        plain=settings.submissions_plain,
        create=settings.environment != "production",
    )
    service = Service(
        "intake", settings, consumes=consumers(mailbox), timers=timers, jobs=[forget], state=State(mailbox), hears=True
    )
    routers = [
        leads.quick_router,
        pages.router,
        leads.router,
        webhooks.router,
        voice.router,
        vagaro.router,
        staff.router,
        merging.router,
        calls.router,
        tasks.router,
        dead_letters.router,
    ]
    return create_app(service, title="Passage: intake", routers=routers, pages=Pages("services.intake"))
