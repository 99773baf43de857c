"""A telephone call as Twilio tells of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ring:
    """Somebody calls. `caller` is E.164, None where it was withheld; `trusted` is false for a number that the network
    calls a forgery (STIR/SHAKEN "failed").
    """

    sid: str
    caller: str | None
    trusted: bool = True


@dataclass(frozen=True, slots=True)
class Voicemail:
    """Words left on the machine: where they can be heard, and how long they are."""

    url: str
    seconds: int
