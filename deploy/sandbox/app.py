"""Wires the sandbox: settings → world → carrier, mailbox, clock → page and APIs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import asyncpg
import httpx
import structlog
from fastapi import FastAPI, Request
from starlette.responses import Response

from deploy.sandbox import api, pages, payer, twilio, vagaro, voice
from deploy.sandbox.carrier import Carrier, Refused
from deploy.sandbox.mailbox import Mailbox, listen
from deploy.sandbox.settings import SandboxSettings
from deploy.sandbox.stepping import Stepping
from deploy.sandbox.world import World
from shared.clinic import load
from shared.clock import MovableClock
from shared.web import assets

log = structlog.get_logger()

_REFRESH_SECONDS = 1.0
_POLICY = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"


def create(settings: SandboxSettings | None = None) -> FastAPI:
    """The sandbox as one application; it opens its SMTP port when it starts.

    Raises:
        ClinicError: the clinic file is not usable.
        ValidationError: a setting is missing, or this is not a development machine.
    """
    settings = settings or SandboxSettings()
    clinic = load(settings.clinic_file)
    world = World(settings.state_file)
    clock = MovableClock(settings.environment)
    http = httpx.AsyncClient(timeout=15)
    carrier = Carrier(world, settings, clock, http)
    stepping = _stepping(settings, clock, world)
    outside = pages.Outside(voice.Telephone(carrier, settings, clock), vagaro.Vagaro(settings, clock, http))

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(http.aclose)
            stack.push_async_callback(carrier.stop)
            if stepping is not None:
                await stack.enter_async_context(stepping)
                follow = asyncio.create_task(_follow(stepping, world))
                stack.callback(follow.cancel)
            smtp = await listen(Mailbox(world, clock), settings.host, settings.smtp_port)
            stack.callback(smtp.close)
            app.state.smtp_port = smtp.sockets[0].getsockname()[1]
            log.info("sandbox.started", smtp=app.state.smtp_port)
            yield

    app = FastAPI(title="Passage sandbox", lifespan=life, docs_url=None, redoc_url=None)
    sandbox = pages.Sandbox(world, clinic, settings, clock, stepping, outside)
    app.include_router(pages.router(sandbox, world, carrier, stepping))
    app.include_router(voice.router(outside.telephone, settings))
    app.include_router(vagaro.router(outside.vagaro, settings))
    app.include_router(api.router(world, carrier, settings, clock, stepping))
    app.include_router(twilio.router(world, carrier, settings))
    app.include_router(payer.router(world, settings))
    app.router.routes.append(assets.route)
    app.add_exception_handler(Refused, twilio.refusal)
    app.middleware("http")(_guarded)
    return app


def _stepping(settings: SandboxSettings, clock: MovableClock, world: World) -> Stepping | None:
    if settings.database_url is None:
        return None
    dsn = settings.database_url.get_secret_value()
    return Stepping(dsn, clock, lambda: world.version, settle_seconds=settings.settle_seconds)


async def _follow(stepping: Stepping, world: World) -> None:
    """Keep up with a clock that somebody else moved; a database that is away for a moment is no reason to end."""
    while True:
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            if await stepping.refresh():
                await world.touch()
        await asyncio.sleep(_REFRESH_SECONDS)


async def _guarded(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers.setdefault("content-security-policy", _POLICY)
    response.headers.setdefault("x-content-type-options", "nosniff")
    response.headers.setdefault("referrer-policy", "same-origin")
    return response
