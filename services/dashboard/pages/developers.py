"""For who writes a program beside Passage: its doors, its APIs, its events, and the documents that describe them.

The promise: it says nothing of patients, works without JavaScript, and shows what the running program was built from.
"""

from typing import Any, cast

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.dashboard.pages.frame import pages_of, staff_page
from services.dashboard.reference import documents, events, http, samples
from services.dashboard.settings import DashboardSettings
from shared.contracts.base import SOURCES
from shared.contracts.topics import SUBMISSIONS
from shared.http.access import Access, asks
from shared.http.deps import service_of
from shared.http.problems import NotFound

OPERATIONS = "operations"
signed_in = staff_page(OPERATIONS)


@asks(Access("staff", frozenset({OPERATIONS}), session=True))
async def reader(request: Request) -> None:
    """Operations; in development, or where the operator opened these pages, everybody."""
    settings = settings_of(request)
    if not settings.developers_open and settings.environment != "development":
        await signed_in(request)


router = APIRouter(prefix="/developers", dependencies=[Depends(reader)])


@router.get("")
async def doors(request: Request) -> Response:
    """Where programs hand in contacts and read events, with examples to copy."""
    settings, intake = settings_of(request), address(request, "intake")
    operation = {one.path: one for one in http.operations(documents.openapi("intake"), intake)}
    topic = settings.topic(SUBMISSIONS)
    return show(
        request,
        "developers.html",
        "doors",
        lead=operation["/api/v1/leads"],
        bulk=operation["/api/v1/leads/bulk"],
        texts=operation["/api/v1/consent-texts"],
        kafka=samples.kafka(intake, settings.kafka, topic),
        topic=topic,
        development=settings.environment == "development",
    )


@router.get("/http/{name}")
async def api(name: str, request: Request) -> Response:
    """One service's HTTP API."""
    base = address(request, name)
    found = http.operations(_known(documents.openapi, name), base)
    return show(request, "developers_http.html", f"http-{name}", name=name, base=base, operations=found)


@router.get("/events/{name}")
async def published(name: str, request: Request) -> Response:
    """What one service publishes."""
    found = _known(lambda source: events.channel(source, settings_of(request).kafka_prefix), name)
    return show(request, "developers_events.html", f"events-{name}", name=name, channel=found)


@router.get("/openapi/{name}.json")
async def openapi(name: str, request: Request) -> Response:
    """A service's OpenAPI document, with its address in this stack."""
    document = _known(documents.openapi, name)
    return _download({**document, "servers": [{"url": address(request, name)}]}, f"passage-{name}.openapi.json")


@router.get("/asyncapi/{name}.json")
async def asyncapi(name: str) -> Response:
    """A service's AsyncAPI document; its payloads are the schemas beside it."""
    return _download(_known(documents.asyncapi, name), f"passage-{name}.asyncapi.json")


@router.get("/schemas/{source}/{name}.json")
async def schema(source: str, name: str) -> Response:
    """The JSON Schema of one payload, as AsyncAPI documents name it."""
    return _download(_known(lambda one: documents.schema(source, one), name), f"{name}.json")


def address(request: Request, name: str) -> str:
    """Where programs reach a service."""
    settings = settings_of(request)
    outside = settings.producers_url if name == "intake" else ""
    return outside or settings.urls.get(name, settings.public_url)


def settings_of(request: Request) -> DashboardSettings:
    return cast("DashboardSettings", service_of(request).settings)


def show(request: Request, template: str, section: str, **context: Any) -> Response:
    """A page for developers; `section` marks the navigation."""
    return pages_of(request).render(
        request, template, section=section, services=documents.services(), sources=SOURCES, **context
    )


def _known(find: Any, name: str) -> Any:
    try:
        return find(name)
    except LookupError:
        raise NotFound("There is no such part of the program.") from None


def _download(document: Any, name: str) -> Response:
    return JSONResponse(document, headers={"content-disposition": f'attachment; filename="{name}"'})
