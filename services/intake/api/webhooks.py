"""The texting door: Twilio's webhook for messages that come in."""

import hashlib
import json

import structlog
from fastapi import APIRouter
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from services.intake.adapters import twilio
from services.intake.api.edge import attempt
from services.intake.handlers import kept, texts
from services.intake.settings import IntakeSettings
from shared.http.deps import ServiceDep
from shared.http.problems import Forbidden, Unavailable
from shared.service import Service
from shared.uow import UnitOfWork

log = structlog.get_logger()
router = APIRouter(tags=["webhooks"])
PATH = "/webhooks/twilio/messages"
ACTOR = "vendor:twilio"


@router.post(PATH, response_class=Response)
async def message_received(request: Request, service: ServiceDep) -> Response:
    """A text came in. Answered with an empty TwiML: what is said back is decided by events, not here.

    A refusal below 500 is for what Twilio need not send again; anything else may be repeated without harm.
    """
    async with request.form() as form:
        parameters = _genuine(request, service, form)
    try:
        text = twilio.read_text(parameters)
    except twilio.NotAText as error:
        await _keep(service, str(error), parameters)
        return _nothing()

    async def work(uow: UnitOfWork) -> None:
        await texts.receive(uow, text)

    await attempt(service, ACTOR, work)
    return _nothing()


def _genuine(request: Request, service: Service, form: FormData) -> dict[str, str]:
    settings = service.settings
    assert isinstance(settings, IntakeSettings)
    if settings.twilio_auth_token is None:
        raise Unavailable("Texting is not set up.", code="texting_off", remedy="Set twilio_auth_token.")
    # The address as Twilio called it: behind a proxy the request's own would be another one.
    query = f"?{request.url.query}" if request.url.query else ""
    address = f"{settings.public_url}{PATH}{query}"
    signature = request.headers.get(twilio.SIGNATURE)
    if not twilio.is_genuine(settings.twilio_auth_token.get_secret_value(), address, form, signature):
        log.warning("webhook_refused", door="twilio")
        raise Forbidden(
            code="bad_signature", title="The signature does not fit", remedy="Check the auth token and the public URL."
        )
    return {name: value for name, value in form.items() if isinstance(value, str)}


async def _keep(service: Service, reason: str, parameters: dict[str, str]) -> None:
    body = json.dumps(parameters).encode()
    # By the message's id where there is one: Twilio's repetitions carry another signature, not another message.
    name = parameters.get("MessageSid", "").encode() or body
    fingerprint = hashlib.sha256(b"twilio\0" + name).digest()
    text = f"{parameters.get('From', '')}: {parameters.get('Body', '')}"

    async def work(uow: UnitOfWork) -> None:
        await kept.keep(uow, body, door="twilio", reason=reason, fingerprint=fingerprint, text=text)

    await attempt(service, ACTOR, work)


def _nothing() -> Response:
    return Response(twilio.NOTHING_TO_SAY, media_type="application/xml")
