"""Twilio's REST API for messages, under /twilio: create, fetch, list. Shapes and errors are Twilio's."""

import base64
import binascii
import secrets
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.responses import JSONResponse

from deploy.sandbox.carrier import Carrier, Refused, segments
from deploy.sandbox.settings import SandboxSettings
from deploy.sandbox.world import Text, World

API = "/2010-04-01"
_PAGE = 50


def router(world: World, carrier: Carrier, settings: SandboxSettings) -> APIRouter:
    """The routes, for the one account of the sandbox."""
    routes = APIRouter(prefix=f"/twilio{API}/Accounts/{{account}}", dependencies=[Depends(_authenticated(settings))])

    @routes.post("/Messages.json", status_code=201)
    async def create(
        to: Annotated[str, Form(alias="To")] = "",
        body: Annotated[str, Form(alias="Body")] = "",
        sender: Annotated[str, Form(alias="From")] = "",
        service: Annotated[str, Form(alias="MessagingServiceSid")] = "",
        callback: Annotated[str | None, Form(alias="StatusCallback")] = None,
    ) -> dict[str, Any]:
        if not to:
            raise Refused(21604, "A 'To' phone number is required.")
        if not sender and not service:
            raise Refused(21603, "A 'From' phone number is required.")
        if sender and sender != settings.clinic_number:
            raise Refused(21606, f"The 'From' phone number provided ({sender}) is not a valid number of your account.")
        text = await carrier.accept(to=to, sender=settings.clinic_number, body=body, callback=callback)
        return _shown(text, settings)

    @routes.get("/Messages/{sid}.json")
    async def fetch(sid: str) -> dict[str, Any]:
        text = world.text(sid)
        if text is None:
            raise Refused(20404, f"The requested resource /Messages/{sid}.json was not found", 404)
        return _shown(text, settings)

    @routes.get("/Messages.json")
    async def find(
        request: Request,
        page: Annotated[int, Query(alias="Page", ge=0)] = 0,
        size: Annotated[int, Query(alias="PageSize", ge=1, le=1000)] = _PAGE,
    ) -> dict[str, Any]:
        asked = request.query_params
        found = [text for text in reversed(world.texts) if _matches(text, dict(asked))]
        here = f"{API}/Accounts/{settings.account_sid}/Messages.json?PageSize={size}&Page="
        more = (page + 1) * size < len(found)
        return {
            "messages": [_shown(text, settings) for text in found[page * size : (page + 1) * size]],
            "page": page,
            "page_size": size,
            "start": page * size,
            "end": min((page + 1) * size, len(found)) - 1,
            "uri": f"{here}{page}",
            "first_page_uri": f"{here}0",
            "previous_page_uri": f"{here}{page - 1}" if page else None,
            "next_page_uri": f"{here}{page + 1}" if more else None,
        }

    return routes


def refusal(_request: Request, error: Exception) -> JSONResponse:
    """An error as Twilio says it."""
    assert isinstance(error, Refused)
    return JSONResponse(
        {
            "code": error.code,
            "message": error.message,
            "more_info": f"https://www.twilio.com/docs/errors/{error.code}",
            "status": error.status,
        },
        status_code=error.status,
    )


def _authenticated(settings: SandboxSettings) -> Any:
    wanted = f"{settings.account_sid}:{settings.auth_token.get_secret_value()}".encode()

    def check(account: str, request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        try:
            right = scheme.lower() == "basic" and secrets.compare_digest(base64.b64decode(given), wanted)
        except binascii.Error:
            right = False
        if not right or account != settings.account_sid:
            raise Refused(20003, "Authenticate", 401)

    return check


def _matches(text: Text, asked: dict[str, str]) -> bool:
    """`DateSent`, `DateSent>` and `DateSent<` include the moment or the day that they name, as at Twilio."""
    if text.to != asked.get("To", text.to) or text.sender != asked.get("From", text.sender):
        return False
    at = text.sent_at or text.created_at
    since = max((_span(asked[name])[0] for name in ("DateSent", "DateSent>") if name in asked), default=at)
    last = min((_span(asked[name])[1] for name in ("DateSent", "DateSent<") if name in asked), default=at)
    return since <= at <= last


def _span(value: str) -> tuple[datetime, datetime]:
    """The first and the last moment that a date or a moment means."""
    try:
        if len(value) == len("2026-11-30"):
            since = datetime.combine(date.fromisoformat(value), datetime.min.time(), UTC)
            return since, since + timedelta(days=1, microseconds=-1)
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise Refused(20001, f"Invalid date: {value}") from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return moment, moment + timedelta(seconds=1, microseconds=-1)


def _shown(text: Text, settings: SandboxSettings) -> dict[str, Any]:
    uri = f"{API}/Accounts/{settings.account_sid}/Messages/{text.sid}"
    return {
        "sid": text.sid,
        "account_sid": settings.account_sid,
        "messaging_service_sid": None,
        "from": text.sender,
        "to": text.to,
        "body": text.body,
        "status": text.status,
        "direction": text.direction,
        "num_segments": str(segments(text.body)),
        "num_media": "0",
        "date_created": _stamp(text.created_at),
        "date_updated": _stamp(text.updated_at),
        "date_sent": _stamp(text.sent_at),
        "error_code": text.error_code,
        "error_message": None if text.error_code is None else "Unreachable destination handset",
        "price": None,
        "price_unit": "USD",
        "api_version": API.strip("/"),
        "uri": f"{uri}.json",
        "subresource_uris": {"media": f"{uri}/Media.json"},
    }


def _stamp(at: datetime | None) -> str | None:
    return None if at is None else at.strftime("%a, %d %b %Y %H:%M:%S +0000")
