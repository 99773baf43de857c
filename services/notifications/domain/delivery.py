"""The life of a message, and what an outside system's word means for it."""

from datetime import timedelta
from enum import StrEnum

ATTEMPTS = 6
"""Tries before a person takes over: about 20 minutes with the waits below."""


class State(StrEnum):
    """Where a message is. The last five are final, but for `sent`, which may become delivered or failed."""

    PLANNED = "planned"
    READY = "ready"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    SUPPRESSED = "suppressed"
    WITHDRAWN = "withdrawn"


_TWILIO = {
    "delivered": State.DELIVERED,
    "read": State.DELIVERED,
    "undelivered": State.FAILED,
    "failed": State.FAILED,
    "canceled": State.FAILED,
    "accepted": State.SENT,
    "scheduled": State.SENT,
    "queued": State.SENT,
    "sending": State.SENT,
    "sent": State.SENT,
}
_NO_TEXTS = frozenset({"twilio-21211", "twilio-21614", "twilio-30006"})
"""No number at all; no mobile number; a landline or a carrier that can't be reached. A handset that is off or not known
to its network just now (30003, 30005) and words that a carrier would not carry (30007) say nothing of the next text.
Source: Twilio's dictionary of errors."""
_MOVES = {
    State.READY: {State.SENT, State.DELIVERED, State.FAILED},
    State.SENDING: {State.SENT, State.DELIVERED, State.FAILED},
    State.SENT: {State.DELIVERED, State.FAILED},
}


def state_of(twilio_status: str) -> State | None:
    """What Twilio's word means for us; None for a word that we do not know."""
    return _TWILIO.get(twilio_status)


def takes_no_texts(reason: str) -> bool:
    """Whether this failure is the number's, and every other text to it would fail alike."""
    return reason in _NO_TEXTS


def may_move(state: State, to: State) -> bool:
    """Whether a status that arrives in any order still tells something new: delivered is never taken back."""
    return to in _MOVES.get(state, set())


def wait_before(attempt: int) -> timedelta:
    """How long to wait after this many tries: 5 s, 20 s, 80 s … at most 15 minutes."""
    return timedelta(seconds=min(5 * 4 ** (attempt - 1), 15 * 60))
