"""What Twilio's doors share: is it really Twilio who calls."""

import structlog
from starlette.datastructures import FormData
from starlette.requests import Request

from services.intake.adapters import twilio
from services.intake.settings import IntakeSettings
from shared.http.problems import Forbidden, Unavailable
from shared.service import Service

log = structlog.get_logger()
ACTOR = "vendor:twilio"


def genuine(request: Request, service: Service, form: FormData) -> dict[str, str]:
    """The parameters, when Twilio signed them for this address.

    Raises:
        Forbidden: they are not Twilio's.
        Unavailable: no auth token is set.
    """
    settings = service.settings
    assert isinstance(settings, IntakeSettings)
    if settings.twilio_auth_token is None:
        raise Unavailable("Twilio is not set up.", code="twilio_off", remedy="Set twilio_auth_token.")
    # The address as Twilio called it: behind a proxy the request's own would be another one.
    query = f"?{request.url.query}" if request.url.query else ""
    address = f"{settings.public_url}{request.url.path}{query}"
    signature = request.headers.get(twilio.SIGNATURE)
    if not twilio.is_genuine(settings.twilio_auth_token.get_secret_value(), address, form, signature):
        log.warning("webhook_refused", door="twilio")
        raise Forbidden(
            code="bad_signature", title="The signature does not fit", remedy="Check the auth token and the public URL."
        )
    return {name: value for name, value in form.items() if isinstance(value, str)}
