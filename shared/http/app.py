"""The app factory: a service's routers inside what every service has.

The promise: the service is started before the first request and stopped after the last; `/live` says the process runs,
`/ready` says why it should get no work, `/metrics` says what it does.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from fastapi import APIRouter, Depends, FastAPI
from starlette.responses import JSONResponse, Response

from shared.http import errors
from shared.http.access import PROBE
from shared.http.auth import Verifier
from shared.http.characters import refuse_nul
from shared.http.deps import ServiceDep
from shared.http.describing import PROBLEM, Described
from shared.http.middleware import BodyLimit, Edge, security_headers
from shared.http.problems import MEDIA_TYPE
from shared.service import NOT_FOR_REQUESTS, Service
from shared.telemetry import logs, metrics, trace
from shared.web import assets
from shared.web.pages import Pages

VERSION = "1"
CLOCK_HEADER = "passage-clock"
"""What `/ready` says besides: the technical time of the process, so that clocks can be compared."""

probes = APIRouter(include_in_schema=False, dependencies=[Depends(PROBE)])


@probes.get("/live")
async def live() -> dict[str, str]:
    return {"status": "live"}


@probes.get("/ready")
async def ready(service: ServiceDep, requests: bool = False) -> Response:
    """200, or 503 with a reason for each part that isn't ready; with `requests` only for those that answering needs."""
    reasons = await service.readiness()
    if requests:
        reasons = {part: reason for part, reason in reasons.items() if part not in NOT_FOR_REQUESTS}
    return JSONResponse(
        {"status": "not ready" if reasons else "ready", "reasons": reasons},
        503 if reasons else 200,
        {CLOCK_HEADER: datetime.now(UTC).isoformat()},
    )


@probes.get("/metrics")
async def exposition() -> Response:
    return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)


def create_app(
    service: Service,
    *,
    title: str,
    routers: Sequence[APIRouter],
    pages: Pages | None = None,
    staff_pages: bool = False,
    form_targets: Sequence[str] = (),
) -> FastAPI:
    """The HTTP side of a service; with `pages`, problems are shown to people as pages.

    With `staff_pages` no description of the API is served: there is none to call. `form_targets` are addresses beyond
    `settings.urls` and the issuer that forms may lead to.
    """
    settings = service.settings
    logs.configure(service.name, settings)
    trace.configure(service.name, settings.otlp_endpoint)
    described = settings.environment != "production" and not staff_pages

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with Verifier(settings.oidc_issuer, f"passage:{service.name}") as verifier:
            app.state.verifier = verifier
            await service.start()
            try:
                yield
            finally:
                await service.stop()
                trace.shutdown()

    app = Described(
        title=title,
        version=VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if described else None,
        dependencies=[Depends(refuse_nul)],
        responses={
            "4XX": {"description": "What is wrong, and what to do", "content": {MEDIA_TYPE: {"schema": PROBLEM}}}
        },
    )
    app.state.service = service
    app.state.pages = pages
    app.state.stopping = asyncio.Event()
    errors.install(app)
    app.add_middleware(BodyLimit, limit=settings.body_limit)
    app.add_middleware(Edge, headers=security_headers(settings, form_targets), at_once=settings.requests_at_once)
    app.include_router(probes)
    app.router.routes.append(assets.route)
    for router in routers:
        app.include_router(router)
    return app
