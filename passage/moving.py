"""Moving a development stack's business time."""

from datetime import timedelta

import asyncpg

from shared.clock import CHANNEL

_MOVE = (
    "update clock.state set offset_seconds = case when $2 then 0 else offset_seconds end + $1 returning offset_seconds"
)
_TELL = "select pg_notify($1, '')"


async def move(connection: asyncpg.Connection, by: timedelta, *, reset: bool) -> timedelta:
    """Let `by` pass, after going back to real time where `reset`; gives how far ahead of real time it is now."""
    async with connection.transaction():
        seconds = await connection.fetchval(_MOVE, by.total_seconds(), reset)
        await connection.execute(_TELL, CHANNEL)
    return timedelta(seconds=seconds)
