"""Asking relays to publish again; each does it within a second or so."""

import getpass
from datetime import datetime
from uuid import UUID

from passage.context import NotConfigured, connected, schema_of
from passage.recover import Asked, recover
from shared.contracts.base import SOURCES

_SUBJECT = "insert into replay_requests (subject, from_sequence, requested_by) values ($1, $2, $3)"
_SINCE = "insert into replay_requests (from_at, requested_by) values ($1, $2)"


async def ask(source: str, *, subject: UUID | None, from_sequence: int, since: datetime | None) -> None:
    """One subject from a sequence on, or everything since a moment.

    Raises:
        NotConfigured: no such producer.
    """
    if source not in SOURCES:
        raise NotConfigured(f"{source!r} publishes no events: one of {', '.join(SOURCES)}")
    by = f"cli:{getpass.getuser()}"
    async with schema_of(source) as connection:
        if subject is not None:
            await connection.execute(_SUBJECT, subject, from_sequence, by)
        else:
            await connection.execute(_SINCE, since, by)


async def needed(owner: str) -> list[Asked]:
    """What some consumer has not applied, of all producers."""
    async with connected(owner) as connection:
        return await recover(connection, by=f"cli:{getpass.getuser()}")
