"""A small application inside the app factory: what every service's edge does, without a service's own rules."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
from fastapi import APIRouter

from deploy.embedded.processes import any_free_port
from shared.http.app import create_app
from shared.service import Service
from shared.settings import ServiceSettings
from shared.web.pages import Pages
from tests.support.serving import serving
from tests.support.world import Running, World


def settings_of(world: World, name: str, kind: type[ServiceSettings], **changes: object) -> ServiceSettings:
    """A service's settings in this world, as `kind`."""
    return kind.model_validate({**world.wiring.settings(name), **changes})


@asynccontextmanager
async def probing(
    world: World, name: str, settings: ServiceSettings, routers: Sequence[APIRouter], pages: Pages | None = None
) -> AsyncIterator[Running]:
    """Serve the routers as the service `name`, which neither consumes nor publishes here."""
    service = Service(name, settings)
    service.relay = None
    app = create_app(service, title="Probe", routers=routers, pages=pages)
    port = settings.port or any_free_port()
    url = f"http://127.0.0.1:{port}"
    async with serving(app, port), httpx.AsyncClient(base_url=url, timeout=15) as http:
        yield Running(name, url, app, http, world.issuer)
