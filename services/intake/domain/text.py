"""A text message as it came in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """`sender` is E.164, `body` cleaned words (empty where only media came), `vendor_says` Twilio's `OptOutType`."""

    sid: str
    sender: str
    body: str
    media: int = 0
    vendor_says: str | None = None
