"""The public door: a form that works without JavaScript, on a phone, in the clinic's languages."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.intake.agreements import agreement
from services.intake.api.edge import attempt, sentences
from services.intake.domain.answering import promise
from services.intake.domain.contact import FieldName, Unusable, Wrong
from services.intake.domain.words import LINE_LIMIT, WORDS_LIMIT, clean, clean_line
from services.intake.handlers import kept
from services.intake.handlers.leads import Arrival
from services.intake.reading import read
from services.intake.repository import arrivals
from services.intake.repository.arrivals import Key
from shared.contracts.intake import Channel, ConsentKind
from shared.contracts.submissions import Submission
from shared.http.access import PUBLIC
from shared.http.deps import ServiceDep
from shared.http.ratelimit import limit
from shared.service import Service
from shared.telemetry.trace import current_traceparent
from shared.uow import UnitOfWork

router = APIRouter(include_in_schema=False, dependencies=[Depends(PUBLIC)])
FORM = "form"
TRAP = "reference"
"""A field that no person sees. Whoever fills it is most likely a robot; a person looks all the same."""
PER_MINUTE = 120
"""Per address: behind one address of a mobile carrier are many phones."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")
_REFERENCE = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Filled:
    """What was typed, made safe to show again."""

    name: str = ""
    phone: str = ""
    email: str = ""
    message: str = ""
    consent_sms: bool = False
    consent_email: bool = False

    def submission(self, language: str) -> Submission:
        """As any contact.

        Raises:
            Unusable: a field is too long.
        """
        limits: tuple[tuple[FieldName, str, int], ...] = (
            ("name", self.name, LINE_LIMIT),
            ("phone", self.phone, LINE_LIMIT),
            ("email", self.email, LINE_LIMIT),
            ("message", self.message, WORDS_LIMIT),
        )
        wrong = tuple(Wrong(field, "too_long") for field, text, most in limits if len(text) > most)
        if wrong:
            raise Unusable(wrong)
        return Submission(
            name=self.name or None,
            phone=self.phone or None,
            email=self.email or None,
            message=self.message or None,
            language=language,
            consent_sms=self.consent_sms,
            consent_email=self.consent_email,
            channel="web",
        )


@router.get("/")
async def form(request: Request) -> Response:
    """The empty form. The token in it names this filling: sending it twice is one contact."""
    return _form(request, Filled(), secrets.token_urlsafe(16))


@router.get("/es")
async def form_in_spanish() -> Response:
    """A short address for posters."""
    return RedirectResponse("./?lang=es", 307)


@router.post("/", dependencies=[Depends(limit("form", per_minute=PER_MINUTE))])
async def send(request: Request, service: ServiceDep) -> Response:
    """Take a filled form; answers with a redirect, so that reloading sends nothing again."""
    async with request.form() as posted:
        return await _take(request, service, posted)


async def _take(request: Request, service: Service, posted: FormData) -> Response:
    language = _language(request, posted)
    filled, token = _read(posted), _token(posted)
    if _text(posted, TRAP).strip():
        return await _trapped(request, service, filled, token)
    try:
        submission = filled.submission(language)
        contact = read(submission, service.clinic, service.clock.now(), channel=Channel.WEB)
    except Unusable as error:
        return _form(request, filled, token, error.wrong, language)
    said = hashlib.sha256(submission.model_dump_json().encode()).digest()
    # The same filling sent again is the same contact; what was corrected in between is another one of that person.
    reference = hashlib.sha256(token.encode() + said).digest()
    arrival = Arrival(contact, Key(FORM, reference, said), "patient", current_traceparent())
    await service.state.writer.accept(service, arrival)
    return _thank(request, {"r": reference.hex(), "lang": language})


@router.get("/thanks")
async def thanks(request: Request, service: ServiceDep, r: str = "") -> Response:
    """Says by when a person answers."""
    due = None
    if _REFERENCE.fullmatch(r):
        async with service.reading() as uow:
            answer = await arrivals.answered(uow.conn, FORM, bytes.fromhex(r))
        due = None if answer is None else answer.answer_due
    page: Response = request.app.state.pages.render(request, "thanks.html", due=due, embed=_embedded(request))
    return page


def _embedded(request: Request) -> bool:
    """Whether the form is shown within the clinic's own site; without cookies, so the address says it each time."""
    return request.query_params.get("embed") == "1"


def _thank(request: Request, told: dict[str, str]) -> Response:
    return RedirectResponse("./thanks?" + urlencode(told | ({"embed": "1"} if _embedded(request) else {})), 303)


async def _trapped(request: Request, service: Service, filled: Filled, token: str) -> Response:
    written = repr(filled).encode()
    fingerprint = hashlib.sha256(token.encode() + written).digest()
    text = "\n".join(part for part in (filled.name, filled.phone, filled.email, filled.message) if part)

    async def work(uow: UnitOfWork) -> None:
        await kept.keep(uow, written, door="trap", reason="hidden-field-filled", fingerprint=fingerprint, text=text)

    await attempt(service, "patient", work)
    return _thank(request, {})


def _form(
    request: Request, filled: Filled, token: str, wrong: tuple[Wrong, ...] = (), language: str | None = None
) -> Response:
    service = request.app.state.service
    language = language or request.app.state.pages.language(request)
    context: dict[str, Any] = {
        "filled": filled,
        "token": token,
        "trap": TRAP,
        "errors": {each.field: " ".join(sentences(language, each)) for each in wrong},
        "promise": promise(service.clinic, service.clock.now()),
        "consent_sms": agreement(service.clinic, ConsentKind.SMS, language).words,
        "consent_email": agreement(service.clinic, ConsentKind.EMAIL, language).words,
        "form_language": language,
        "embed": _embedded(request),
    }
    page: Response = request.app.state.pages.render(request, "form.html", status=422 if wrong else 200, **context)
    return page


def _read(posted: FormData) -> Filled:
    return Filled(
        name=clean_line(_text(posted, "name")),
        phone=clean_line(_text(posted, "phone")),
        email=clean_line(_text(posted, "email")),
        message=clean(_text(posted, "message")),
        consent_sms=_text(posted, "consent_sms") == "yes",
        consent_email=_text(posted, "consent_email") == "yes",
    )


def _token(posted: FormData) -> str:
    token = _text(posted, "token")
    return token if _TOKEN.fullmatch(token) else secrets.token_urlsafe(16)


def _language(request: Request, posted: FormData) -> str:
    asked = _text(posted, "lang")
    language: str = request.app.state.pages.language(request)
    return asked if asked in request.app.state.service.clinic.languages else language


def _text(posted: FormData, name: str) -> str:
    value = posted.get(name, "")
    return value if isinstance(value, str) else ""
