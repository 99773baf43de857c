"""The telephone's door for calls that nobody takes: Twilio's voice webhooks."""

import hashlib
import json
from datetime import timedelta

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from services.intake.adapters import twilio
from services.intake.agreements import TEXTS
from services.intake.api.edge import attempt
from services.intake.api.signed import ACTOR, genuine
from services.intake.domain.call import Ring
from services.intake.handlers import kept, voice
from services.intake.settings import IntakeSettings
from shared.clinic.model import Clinic
from shared.http.access import VENDOR
from shared.http.deps import ServiceDep
from shared.service import Service
from shared.uow import UnitOfWork

router = APIRouter(prefix="/webhooks/twilio/voice", tags=["webhooks"], dependencies=[Depends(VENDOR)])
OVER = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})


@router.post("", response_class=Response)
async def call_came(request: Request, service: ServiceDep) -> Response:
    """Somebody calls: the greeting, in the language of who we know, else in each of the clinic's; then the tone."""
    _parameters, ring = await _ring(request, service)
    if ring is None:
        return _xml(twilio.NOTHING_TO_SAY)

    async def work(uow: UnitOfWork) -> str | None:
        return await voice.ring(uow, ring)

    known = await attempt(service, ACTOR, work)
    languages = (known,) if known is not None else service.clinic.languages
    greetings = {language: _words(service.clinic, language, "call.greeting") for language in languages}
    goodbye = _words(service.clinic, languages[0], "call.goodbye")
    address = f"{service.settings.public_url}{router.prefix}/recorded"
    return _xml(twilio.ask_for_words(greetings, goodbye, languages[0], address))


@router.post("/recorded", response_class=Response)
async def words_left(request: Request, service: ServiceDep) -> Response:
    """Words were left on the machine. An empty recording is no voicemail."""
    parameters, ring = await _ring(request, service)
    left = twilio.read_voicemail(parameters)
    if ring is not None and left is not None:

        async def work(uow: UnitOfWork) -> None:
            await voice.recorded(uow, ring, left)

        await attempt(service, ACTOR, work)
    language = service.clinic.languages[0]
    return _xml(twilio.say_goodbye(_words(service.clinic, language, "call.goodbye"), language))


@router.post("/status", status_code=204, response_class=Response)
async def call_changed(request: Request, service: ServiceDep) -> Response:
    """A call went on. When it is over and no words were left, it was missed."""
    parameters, ring = await _ring(request, service)
    if ring is not None and parameters.get("CallStatus") in OVER:
        settings = service.settings
        assert isinstance(settings, IntakeSettings)
        wait = timedelta(seconds=settings.voicemail_wait_seconds)

        async def work(uow: UnitOfWork) -> None:
            await voice.ended(uow, ring, wait)

        await attempt(service, ACTOR, work)
    return Response(status_code=204)


async def _ring(request: Request, service: Service) -> tuple[dict[str, str], Ring | None]:
    """The parameters and who calls; what is signed and yet no call is kept for a person."""
    async with request.form() as form:
        parameters = genuine(request, service, form)
    try:
        return parameters, twilio.read_ring(parameters)
    except twilio.NotACall as error:
        await _keep(service, str(error), parameters)
        return parameters, None


async def _keep(service: Service, reason: str, parameters: dict[str, str]) -> None:
    body = json.dumps(parameters).encode()
    fingerprint = hashlib.sha256(b"twilio-call\0" + body).digest()

    async def work(uow: UnitOfWork) -> None:
        await kept.keep(uow, body, door=voice.DOOR, reason=reason, fingerprint=fingerprint)

    await attempt(service, ACTOR, work)


def _words(clinic: Clinic, language: str, key: str) -> str:
    # The voice reads digits one by one where they are apart: "9 1 1", not "nine hundred eleven".
    emergency, crisis = (" ".join(number) for number in (clinic.contact.emergency, clinic.contact.crisis))
    return TEXTS.get(language, key, clinic=clinic.name, emergency=emergency, crisis=crisis)


def _xml(answer: str) -> Response:
    return Response(answer, media_type="application/xml")
