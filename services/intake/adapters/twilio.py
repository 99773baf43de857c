"""Twilio's webhooks: is it really Twilio, and what does it say."""

from collections.abc import Mapping

from starlette.datastructures import FormData
from twilio.request_validator import RequestValidator

from services.intake.domain.text import Text
from services.intake.domain.words import WORDS_LIMIT, clean
from services.intake.reading import sender_number

SIGNATURE = "X-Twilio-Signature"
NOTHING_TO_SAY = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'


class NotAText(ValueError):
    """Signed by Twilio, yet without what a text has. The message is a code."""


def is_genuine(token: str, url: str, parameters: FormData, signature: str | None) -> bool:
    """Whether Twilio signed these parameters for this public address."""
    return signature is not None and bool(RequestValidator(token).validate(url, parameters, signature))


def read_text(parameters: Mapping[str, str]) -> Text:
    """The text of an incoming-message webhook.

    Raises:
        NotAText: without id or a sender that can be answered.
    """
    sid, sender = parameters.get("MessageSid", ""), sender_number(parameters.get("From", ""))
    if not sid or len(sid) > 64 or not sid.isalnum():
        raise NotAText("no-message-id")
    if sender is None:
        raise NotAText("sender-cannot-be-answered")
    media = parameters.get("NumMedia", "0")
    return Text(
        sid=sid,
        sender=sender,
        body=clean(parameters.get("Body", ""))[:WORDS_LIMIT],
        media=min(int(media), 100) if media.isdecimal() else 0,
        vendor_says=parameters.get("OptOutType"),
    )
