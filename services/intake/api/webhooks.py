"""The texting door: Twilio's webhook for messages that come in."""

import hashlib
import json

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from services.intake.adapters import twilio
from services.intake.api.edge import attempt
from services.intake.api.signed import ACTOR, genuine
from services.intake.handlers import kept, texts
from shared.http.access import VENDOR
from shared.http.deps import ServiceDep
from shared.service import Service
from shared.uow import UnitOfWork

router = APIRouter(tags=["webhooks"], dependencies=[Depends(VENDOR)])
PATH = "/webhooks/twilio/messages"


@router.post(PATH, response_class=Response)
async def message_received(request: Request, service: ServiceDep) -> Response:
    """A text came in. Answered with an empty TwiML: what is said back is decided by events, not here.

    A refusal below 500 is for what Twilio need not send again; anything else may be repeated without harm.
    """
    async with request.form() as form:
        parameters = genuine(request, service, form)
    try:
        text = twilio.read_text(parameters)
    except twilio.NotAText as error:
        await _keep(service, str(error), parameters)
        return _nothing()

    async def work(uow: UnitOfWork) -> None:
        await texts.receive(uow, text)

    await attempt(service, ACTOR, work)
    return _nothing()


async def _keep(service: Service, reason: str, parameters: dict[str, str]) -> None:
    body = json.dumps(parameters).encode()
    # By the message's id where there is one: Twilio's repetitions carry another signature, not another message.
    name = parameters.get("MessageSid", "").encode() or body
    fingerprint = hashlib.sha256(b"twilio\0" + name).digest()
    pictures = [value for key, value in parameters.items() if key.startswith("MediaUrl")]
    text = "\n".join([f"{parameters.get('From', '')}: {parameters.get('Body', '')}", *pictures])

    async def work(uow: UnitOfWork) -> None:
        await kept.keep(uow, body, door="twilio", reason=reason, fingerprint=fingerprint, text=text)

    await attempt(service, ACTOR, work)


def _nothing() -> Response:
    return Response(twilio.NOTHING_TO_SAY, media_type="application/xml")
