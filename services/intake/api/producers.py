"""Producers of leads: who asks, how much they may, and what they call what they send."""

import hashlib
import re
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated

import asyncpg
from fastapi import Depends, Header
from starlette.requests import Request

from services.intake.repository import doors
from services.intake.settings import IntakeSettings
from shared.http.access import PRODUCER as BY_KEY
from shared.http.access import asks
from shared.http.deps import ServiceDep
from shared.http.problems import BadRequest, Unauthorized
from shared.http.ratelimit import network_of, take
from shared.security.tokens import digest, new_secret
from shared.service import Service

PRODUCER = re.compile(r"[a-z][a-z0-9-]{0,39}")
TRUSTED_SECONDS = 10.0
"""How long a key that was just checked is not looked up again, so how long a revoked one may still work."""
LEASE = 50
"""Contacts counted against a producer's allowance at once: one statement in fifty requests instead of in each."""
GUESSES_PER_MINUTE = 30
API_KEY_LIMIT = 200
KEY_LIMIT = 255
"""Characters in the headers."""


async def add_api_key(conn: asyncpg.Connection, producer: str) -> str:
    """Let a producer in; returns the key, which is shown once and stored as a hash.

    Raises:
        ValueError: the name is not a short lower-case word.
    """
    if PRODUCER.fullmatch(producer) is None:
        raise ValueError(f"{producer!r} is not a producer's name: use lower-case letters, digits and hyphens")
    key = f"pk_{new_secret()}"
    await doors.add_key(conn, digest(key), producer)
    return key


@dataclass(slots=True)
class Checked:
    """What this process remembers of a key: whose it is, since when (monotonic), and what is left of its lease."""

    producer: str
    at: float
    left: int = 0


@dataclass(slots=True)
class Gate:
    """The keys that this process has seen; one per service."""

    seen: dict[bytes, Checked] = field(default_factory=dict)

    async def admit(self, service: Service, key: str, address: str) -> str:
        """The producer of a key, counted.

        Raises:
            Unauthorized: nobody's key. TooMany: over the allowance, or too many guesses from one address.
        """
        hashed, now = digest(key), time.monotonic()
        checked = self.seen.get(hashed)
        if checked is None or now - checked.at > TRUSTED_SECONDS:
            checked = await self._look_up(service, hashed, address, checked)
        if checked.left == 0:
            await self._lease(service, hashed)
            checked.left = LEASE
        checked.left -= 1
        return checked.producer

    async def _look_up(self, service: Service, hashed: bytes, address: str, before: Checked | None) -> Checked:
        async with service.pool.acquire() as conn:
            producer = await doors.producer(conn, hashed)
            if producer is None:
                self.seen.pop(hashed, None)
                pace = timedelta(minutes=1) / GUESSES_PER_MINUTE
                guesser = service.lookup.hash("address", address)
                await take(conn, "api-key-guesses", guesser, pace, pace * (GUESSES_PER_MINUTE - 1))
                raise bad_api_key()
        self.seen[hashed] = Checked(producer, time.monotonic(), before.left if before else 0)
        return self.seen[hashed]

    async def _lease(self, service: Service, hashed: bytes) -> None:
        assert isinstance(service.settings, IntakeSettings)
        each = timedelta(minutes=1) / service.settings.producer_per_minute
        async with service.pool.acquire() as conn:
            await take(conn, "leads", hashed, each * LEASE, timedelta(minutes=1))


@asks(BY_KEY)
async def producer(
    request: Request,
    service: ServiceDep,
    x_api_key: Annotated[str | None, Header(max_length=API_KEY_LIMIT, include_in_schema=False)] = None,
) -> str:
    """The producer that asks."""
    if not x_api_key:
        raise no_api_key()
    gate: Gate = service.state.gate
    return await gate.admit(service, x_api_key, network_of(request.client.host) if request.client else "unknown")


ProducerDep = Annotated[str, Depends(producer)]


async def idempotency_key(
    idempotency_key: Annotated[str | None, Header(max_length=KEY_LIMIT, include_in_schema=False)] = None,
) -> bytes:
    """The hash of what the producer calls this contact."""
    if not idempotency_key or not idempotency_key.strip():
        raise no_idempotency_key()
    return key_hash(idempotency_key)


KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "What you call this contact; your own, a new one for each.",
    "schema": {"type": "string", "minLength": 1, "maxLength": KEY_LIMIT},
}
"""The header as the API's description has it; the endpoint takes a request without one too, to say what is missing."""


def no_api_key() -> Unauthorized:
    """Nobody says who asks."""
    return Unauthorized(code="no_api_key", title="An API key is needed", remedy="Send the clinic's key in X-API-Key.")


def bad_api_key() -> Unauthorized:
    """Nobody's key, or one that was taken back."""
    return Unauthorized(
        code="bad_api_key",
        title="This API key is not known",
        remedy="Send the key that the clinic gave you in X-API-Key.",
    )


def no_idempotency_key() -> BadRequest:
    """The contact has no name of the producer's."""
    return BadRequest(
        "Without an Idempotency-Key a contact that is sent twice would be taken twice.",
        code="no_idempotency_key",
        remedy="Send a header Idempotency-Key with a value of your own for each contact, at most 255 characters.",
    )


def key_hash(name: str) -> bytes:
    """What is stored of a producer's name for a contact."""
    return hashlib.sha256(name.strip().encode()).digest()


KeyDep = Annotated[bytes, Depends(idempotency_key)]
