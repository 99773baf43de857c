"""A text message as it came in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """`sender` is E.164, `body` cleaned words (empty where only media came), `vendor_says` Twilio's `OptOutType`.

    `media` counts what was sent along, `attached` is the kind and address of each.
    """

    sid: str
    sender: str
    body: str
    media: int = 0
    attached: tuple[tuple[str, str], ...] = ()
    vendor_says: str | None = None

    @property
    def whole(self) -> str:
        """The words, then each picture on a line of its own: what a person reads."""
        return "\n".join([*([self.body] if self.body else []), *(f"[{kind}] {url}" for kind, url in self.attached)])
