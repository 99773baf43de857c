"""The JSON door: leads from other programs of the clinic."""

import asyncio
import hashlib
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from services.intake.agreements import agreement
from services.intake.api.edge import key_reused, unusable
from services.intake.api.producers import (
    API_KEY_LIMIT,
    KEY_LIMIT,
    KEY_PARAMETER,
    KeyDep,
    ProducerDep,
    bad_api_key,
    key_hash,
    no_api_key,
    no_idempotency_key,
    producer,
)
from services.intake.domain.contact import Unusable, Wrong
from services.intake.handlers import leads
from services.intake.handlers.leads import Arrival
from services.intake.reading import read
from services.intake.repository.arrivals import Key
from shared.contracts.intake import ConsentKind
from shared.contracts.submissions import Submission
from shared.http.access import PUBLIC
from shared.http.deps import ServiceDep, service_of
from shared.http.describing import answers
from shared.http.errors import SLOW, busy, invalid
from shared.http.problems import FieldProblem, Invalid, Problem, TooLarge, TooMany
from shared.http.quick import QuickRoute
from shared.service import Service
from shared.telemetry.trace import current_traceparent

router = APIRouter(tags=["leads"])
BULK_LIMIT = 500
_WRONG_FIELD = FieldProblem("surname", "Extra inputs are not permitted", "Leave this field out.")
REFUSALS = answers(
    no_idempotency_key(),
    no_api_key(),
    bad_api_key(),
    key_reused(),
    TooLarge(),
    Invalid(fields=[_WRONG_FIELD]),
    unusable([Wrong("phone", "missing")]),
    TooMany("Wait 2 seconds."),
    busy(),
)
"""What a producer may be told, for the API's description."""


class LeadAccepted(BaseModel):
    """Whose contact it is, and by when a person answers. The same person has the same id."""

    patient_id: UUID
    answer_due: datetime


class BulkItem(BaseModel):
    """A contact under its own idempotency key."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(min_length=1, max_length=255)
    lead: dict[str, Any]


class BulkResult(BaseModel):
    """What became of one item: `status` as a single request would have had it."""

    key: str
    status: int
    accepted: LeadAccepted | None = None
    problem: dict[str, Any] | None = None


class LeadRoute(QuickRoute):
    """Where contacts come in by the thousand."""

    @staticmethod
    async def quick(request: Request, body: bytes) -> Response | None:
        headers = request.headers
        api_key, name = headers.get("x-api-key"), headers.get("idempotency-key")
        if not api_key or len(api_key) > API_KEY_LIMIT or not name or not name.strip() or len(name) > KEY_LIMIT:
            return None
        try:
            said = Submission.model_validate_json(body)
        except ValidationError:
            return None
        service = service_of(request)
        asking = await producer(request, service, api_key)
        accepted = await _take(service, asking, key_hash(name), said)
        return Response(accepted.model_dump_json(), 201, media_type="application/json")


quick_router = APIRouter(tags=["leads"], route_class=LeadRoute)


@quick_router.post("/api/v1/leads", status_code=201, responses=REFUSALS, openapi_extra={"parameters": [KEY_PARAMETER]})
async def create_lead(body: Submission, service: ServiceDep, producer: ProducerDep, key: KeyDep) -> LeadAccepted:
    """Hand in a contact. The same key with the same content is answered alike, however often it is sent."""
    return await _take(service, producer, key, body)


@router.post("/api/v1/leads/bulk")
async def create_leads(body: list[BulkItem], service: ServiceDep, producer: ProducerDep) -> list[BulkResult]:
    """Hand in up to 500 contacts, each under its own key; each is accepted or refused by itself."""
    if len(body) > BULK_LIMIT:
        raise Problem(413, "too_many_items", "Too many at once", remedy=f"Send at most {BULK_LIMIT} in one request.")
    return await asyncio.gather(*(_take_item(service, producer, item) for item in body))


@router.get("/api/v1/consent-texts", dependencies=[Depends(PUBLIC)])
async def consent_texts(service: ServiceDep) -> list[dict[str, str]]:
    """What `consent_sms` and `consent_email` mean: show these words, unticked, in the person's language."""
    texts = [
        agreement(service.clinic, kind, language)
        for kind in (ConsentKind.SMS, ConsentKind.EMAIL)
        for language in service.clinic.languages
    ]
    return [
        {"kind": text.kind, "language": text.language, "version": text.version, "words": text.words, "hash": text.hash}
        for text in texts
    ]


@router.get("/.well-known/passage-submissions.jwk", dependencies=[Depends(PUBLIC)])
async def submissions_key(service: ServiceDep) -> dict[str, Any]:
    """The key to which contacts on Kafka are encrypted (JWE compact, ECDH-ES with A256GCM)."""
    public: dict[str, Any] = service.state.mailbox.public
    return public


async def _take(service: Service, producer: str, key: bytes, body: Submission) -> LeadAccepted:
    try:
        contact = read(body, service.clinic, service.clock.now())
    except Unusable as error:
        raise unusable(error.wrong) from error
    said = hashlib.sha256(body.model_dump_json().encode()).digest()
    try:
        arrival = Arrival(contact, Key(f"api:{producer}", key, said), f"producer:{producer}", current_traceparent())
        accepted = await service.state.writer.accept(service, arrival)
    except leads.KeyReused as error:
        raise key_reused() from error
    return LeadAccepted(patient_id=accepted.patient_id, answer_due=accepted.answer_due)


async def _take_item(service: Service, producer: str, item: BulkItem) -> BulkResult:
    try:
        lead = Submission.model_validate(item.lead)
        accepted = await _take(service, producer, key_hash(item.key), lead)
    except ValidationError as error:
        return _refused(item.key, invalid(error.errors(include_input=False)))
    except Problem as problem:
        return _refused(item.key, problem)
    except SLOW:
        return _refused(item.key, busy())
    return BulkResult(key=item.key, status=201, accepted=accepted)


def _refused(key: str, problem: Problem) -> BulkResult:
    return BulkResult(key=key, status=problem.status, problem=problem.body(None))
