"""Connections to a service's own schema.

The promise: a connection comes back from the pool without an open transaction, and no statement or transaction
outlives its limit. The role's own search_path names the schema, so SQL names tables unqualified.
"""

import asyncpg

_SESSION = {
    "statement_timeout": "20s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "30s",
    # Far below the day that the relay's window allows for (`shared/eventlog/relay.py`).
    "transaction_timeout": "60s",
    "timezone": "UTC",
    "jit": "off",
}


async def connect(dsn: str, *, name: str) -> asyncpg.Connection:
    """One connection outside a pool: for the relay's lock and for listening."""
    return await asyncpg.connect(dsn, timeout=5, server_settings={**_SESSION, "application_name": name})


async def open_pool(dsn: str, *, name: str, size: int) -> asyncpg.Pool:
    """A pool of at most `size` connections, opened lazily after the first two."""
    return await asyncpg.create_pool(
        dsn,
        min_size=min(2, size),
        max_size=size,
        timeout=5,
        command_timeout=30,
        max_inactive_connection_lifetime=300,
        server_settings={**_SESSION, "application_name": name},
        reset=_keep_session,
    )


async def _keep_session(connection: asyncpg.Connection) -> None:
    """Replace asyncpg's reset query.

    It costs up to half the throughput, nothing here changes session state, and the pool itself rolls back
    a transaction that was left open.
    """
