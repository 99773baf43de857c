"""The port to whoever carries messages: what goes out, and the four ways in which that can end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.notifications.domain.delivery import State
from services.notifications.ics import CalendarFile


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message, opened, on its way out. `id` is the reference by which it is found again."""

    id: UUID
    to: str
    subject: str
    body: str
    language: str
    at: datetime
    calendar: CalendarFile | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """The carrier took it. `vendor_id` is its name for it."""

    vendor_id: str | None
    state: State = State.SENT


class NotSent(Exception):
    """It certainly did not go; it may later."""


class Refused(Exception):
    """It will never go. The reason is a code."""

    def __init__(self, reason: str, *, opted_out: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.opted_out = opted_out


class Unsure(Exception):
    """Nobody knows whether it went."""


class Sender(Protocol):
    """One channel."""

    async def send(self, message: Outgoing) -> Receipt:
        """Hand it over.

        Raises:
            NotSent, Refused, Unsure
        """
        ...

    async def look_up(self, message: Outgoing, since: datetime) -> Sequence[Receipt]:
        """What the carrier has that can be this message, since the first try.

        Raises:
            NotSent: it could not be asked.
        """
        ...
