"""Identity, wired."""

from fastapi import FastAPI

from services.identity import api, pages
from services.identity.issuer import Issuer
from services.identity.jobs import tidy
from services.identity.settings import IdentitySettings
from shared.http.app import create_app
from shared.service import Service


def create(settings: IdentitySettings | None = None) -> FastAPI:
    """The service, not yet started."""
    settings = settings or IdentitySettings()
    service = Service("identity", settings, jobs=[tidy])
    service.state = Issuer(settings, service.keyring)
    return create_app(
        service,
        title="Identity",
        routers=[api.router, pages.router],
        pages=pages.pages,
        form_targets=[settings.dashboard_url],
    )
