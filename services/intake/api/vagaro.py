"""Vagaro's door. Its token is no signature, so the calling address counts too.

Vagaro never repeats what was answered with 400, 401, 403, 404 or 406. So only a wrong token is refused for good: what
can't be read is kept and thanked for, what may work later is answered with 503.
"""

import hashlib
import hmac
from datetime import timedelta
from ipaddress import ip_address

import structlog
from fastapi import APIRouter, Depends
from prometheus_client import Counter
from starlette.requests import Request
from starlette.responses import Response

from services.intake.api.edge import attempt
from services.intake.domain.vagaro import NotUnderstood, Webhook, read_webhook
from services.intake.handlers import kept, vagaro
from services.intake.settings import IntakeSettings
from shared.http.access import VENDOR
from shared.http.deps import ServiceDep
from shared.http.problems import Unauthorized, Unavailable
from shared.service import Service
from shared.telemetry.metrics import REGISTRY
from shared.uow import UnitOfWork

log = structlog.get_logger()
router = APIRouter(tags=["webhooks"], dependencies=[Depends(VENDOR)])
ACTOR = "vendor:vagaro"
SIGNATURE = "x-vagaro-signature"
HEARD = frozenset({"appointment", "customer"})
KNOWN = HEARD | {"formresponse", "transaction"}
IGNORED = Counter(
    "passage_intake_vagaro_ignored_total",
    "Vagaro's webhooks of kinds that concern nothing here, by kind.",
    ["type"],
    registry=REGISTRY,
)


@router.post("/webhooks/vagaro", status_code=204, response_class=Response)
async def heard(request: Request, service: ServiceDep) -> Response:
    """A customer or an appointment was made, changed or deleted in Vagaro; other kinds are counted and passed over."""
    settings = service.settings
    assert isinstance(settings, IntakeSettings)
    _genuine(request, settings)
    body = await request.body()
    try:
        webhook = read_webhook(body)
    except NotUnderstood as error:
        await _keep(service, body, str(error), body)
        return Response(status_code=204)
    if webhook.type not in HEARD:
        IGNORED.labels(webhook.type if webhook.type in KNOWN else "unknown").inc()
        return Response(status_code=204)
    wait = timedelta(minutes=settings.vagaro_wait_minutes)

    async def work(uow: UnitOfWork) -> None:
        await vagaro.receive(uow, webhook, wait=wait, people=settings.vagaro_people)

    try:
        await attempt(service, ACTOR, work)
    except NotUnderstood as error:
        await _keep(service, body, _reason(webhook, error), webhook.id.encode())
    return Response(status_code=204)


def _genuine(request: Request, settings: IntakeSettings) -> None:
    if settings.vagaro_token is None:
        raise Unavailable("Vagaro is not set up.", code="vagaro_off", remedy="Set vagaro_token.")
    expected = settings.vagaro_token.get_secret_value().encode()
    if not hmac.compare_digest(request.headers.get(SIGNATURE, "").encode(), expected):
        log.warning("webhook_refused", door="vagaro", why="token")
        raise Unauthorized(code="bad_token", title="The verification token does not fit", remedy="Compare the tokens.")
    allowed = settings.vagaro_addresses
    if allowed and not any(_address(request) in network for network in allowed):
        # With the right token it may be Vagaro's new address: it tries again while somebody adds it.
        log.warning("webhook_refused", door="vagaro", why="address")
        raise Unavailable(
            "This address is not one of Vagaro's.", code="unknown_address", remedy="Add it to vagaro_addresses."
        )


def _address(request: Request) -> object:
    try:
        return ip_address(request.client.host if request.client else "")
    except ValueError:
        return None


def _reason(webhook: Webhook, error: NotUnderstood) -> str:
    return f"{webhook.type}:{error}"


async def _keep(service: Service, body: bytes, reason: str, name: bytes) -> None:
    fingerprint = hashlib.sha256(b"vagaro\0" + name).digest()

    async def work(uow: UnitOfWork) -> None:
        await kept.keep(uow, body, door="vagaro", reason=reason, fingerprint=fingerprint)

    await attempt(service, ACTOR, work)
