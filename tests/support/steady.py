"""Producers of leads that never stop: what was accepted while everything else changed, and how long it had to wait."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from uuid import UUID

import httpx

from tests.support.composed import Composed, browser

CLIENTS = 3
PAUSE_SECONDS = 0.5
AGAIN_SECONDS = 0.5
"""A producer that was not answered, or refused for now, sends the same contact with the same key again."""

FOR_NOW = (httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT)
"""What an answer may say that isn't yes. Whatever befalls the stack, none is an error that nobody expected."""


@dataclass
class Steady:
    """What the producers saw. Every contact is somebody of their own, with a phone of their own."""

    accepted: dict[str, UUID] = field(default_factory=dict)
    """Phone → whose contact it became."""

    refused: list[str] = field(default_factory=list)
    """What they got instead of a 201, each time."""

    slowest: float = 0.0
    """Seconds from the first try of a contact until it was accepted."""

    def told(self) -> str:
        """In a line."""
        return f"{len(self.accepted)} accepted, {len(self.refused)} refused for now, {self.slowest:.1f} s at most"


@asynccontextmanager
async def leads_come_in(stack: Composed, *, first: int = 1_000) -> AsyncIterator[Steady]:
    """Contacts through the one origin for as long as the block lasts; whatever was begun is then brought to its end."""
    seen, numbers, ended = Steady(), count(first), asyncio.Event()
    key = stack.kept("producer")["key"]
    working = [asyncio.create_task(_producer(stack, key, seen, numbers, ended)) for _ in range(CLIENTS)]
    try:
        yield seen
    finally:
        ended.set()
        await asyncio.gather(*working)


async def _producer(stack: Composed, key: str, seen: Steady, numbers: count, ended: asyncio.Event) -> None:
    async with browser(base_url=stack.origin) as http:
        while not ended.is_set():
            number = next(numbers)
            await _hand_in(http, key, seen, f"+1801{550 + number // 10_000}{number % 10_000:04d}", f"Lead {number}")
            await asyncio.sleep(PAUSE_SECONDS)


async def _hand_in(http: httpx.AsyncClient, key: str, seen: Steady, phone: str, name: str) -> None:
    headers = {"x-api-key": key, "idempotency-key": phone}
    body = {"name": name, "phone": phone, "consent_sms": True, "language": "en"}
    began = time.monotonic()
    while phone not in seen.accepted:
        try:
            answer = await http.post("/api/v1/leads", json=body, headers=headers)
        except httpx.TransportError as error:
            seen.refused.append(type(error).__name__)
        else:
            if answer.status_code == httpx.codes.CREATED:
                seen.accepted[phone] = UUID(answer.json()["patient_id"])
                break
            assert answer.status_code in FOR_NOW, f"{answer.status_code} {answer.text}"
            seen.refused.append(str(answer.status_code))
        await asyncio.sleep(AGAIN_SECONDS)
    seen.slowest = max(seen.slowest, time.monotonic() - began)
