"""What a failure says, how often a thing is tried, and how much of a large batch at a time."""

import asyncio
from collections.abc import Awaitable, Iterable

import asyncpg
from aiokafka.errors import KafkaError

from shared.errors import Transient

RETRY_SECONDS = (0.05, 0.25, 1.0)
"""Pauses between the tries of an event that failed alone for no known reason; then it is given up."""
SHARES = 3
"""Transactions at once for a large batch: three rebuild a read model faster than two, four are no faster."""
WORTH_SHARING = 100
"""Events from which on several transactions at once are faster than one."""
LATER = (
    Transient,
    KafkaError,
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.InvalidCachedStatementError,
)
"""What says nothing about the event: the world was not ready. (A backend killed in the middle of a bind raises
asyncpg's InternalClientError; a migration beside a prepared statement an InvalidCachedStatementError, once.)"""


async def all_to_their_end(shares: Iterable[Awaitable[None]]) -> None:
    """All come to their end before anyone's trouble is told: nothing may still write when the batch is read again."""
    for end in await asyncio.gather(*shares, return_exceptions=True):
        if end is not None:
            raise end
