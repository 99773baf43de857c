"""Connections to a service's own schema.

The promise: a connection comes back from the pool without an open transaction, and no statement or transaction
outlives its limit. Who waits for a connection waits for a bounded time and with a bounded number of others; beyond that
`DatabaseBusy` says so at once, so that a slow database fills nobody's memory. The role's own search_path names the
schema, so SQL names tables unqualified.
"""

from collections.abc import Generator
from typing import Any

import asyncpg

from shared.errors import Transient

SESSION = {
    "statement_timeout": "20s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "30s",
    # Far below the day that the relay's window allows for (`shared/eventlog/relay.py`).
    "transaction_timeout": "60s",
    "timezone": "UTC",
    "jit": "off",
    # A machine that is gone says no good-bye. By its own default the server would keep such a session, and with it the
    # relay's lock, for two hours; so it asks, and ends it after half a minute. Unix sockets don't need it.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "4",
    "tcp_user_timeout": "30s",
}
COMMAND_SECONDS = 30.0
"""Longer than any statement may take: an answer that has not come by then does not come on this connection."""


class DatabaseBusy(Transient):
    """No connection was free in time; nothing was done."""


class DatabaseAway(Transient):
    """Nobody answers at the database's address; nothing was done."""


async def connect(dsn: str, *, name: str) -> asyncpg.Connection:
    """One connection outside a pool: for the relay's lock and for listening.

    Whoever listens also asks from time to time: that is how a connection on which nothing comes any more is noticed.
    """
    return await asyncpg.connect(
        dsn, timeout=5, command_timeout=COMMAND_SECONDS, server_settings={**SESSION, "application_name": name}
    )


class Pool(asyncpg.Pool):  # type: ignore[misc]  # asyncpg's is only partly typed
    """asyncpg's pool whose `acquire` is an asynchronous context manager with bounds.

    At most `most_waiting` wait, each for `wait_seconds`; whoever finds a free connection waits for nothing.
    """

    most_waiting: int
    wait_seconds: float
    waiting: int = 0

    def acquire(self, *, timeout: float | None = None) -> "_Turn":
        """A connection for a block.

        Raises:
            DatabaseBusy, DatabaseAway: on entering it.
        """
        return _Turn(self, self.wait_seconds if timeout is None else timeout)

    def at_once(self) -> "asyncpg.pool.PoolAcquireContext":
        """The library's own way, without a bound."""
        return super().acquire()

    def in_time(self, seconds: float) -> "asyncpg.pool.PoolAcquireContext":
        """The library's own way with a limit, which costs a task."""
        return super().acquire(timeout=seconds)


class _Turn:
    __slots__ = ("_held", "_pool", "_seconds")

    def __init__(self, pool: Pool, seconds: float) -> None:
        self._pool = pool
        self._seconds = seconds

    async def __aenter__(self) -> asyncpg.Connection:
        pool = self._pool
        if pool.get_idle_size() > 0:
            self._held = pool.at_once()
            return await self._held.__aenter__()
        if pool.waiting >= pool.most_waiting:
            raise DatabaseBusy("too many wait for a connection")
        pool.waiting += 1
        try:
            self._held = pool.in_time(self._seconds)
            return await self._held.__aenter__()
        except TimeoutError as error:
            raise DatabaseBusy("no connection was free in time") from error
        except (ConnectionError, FileNotFoundError) as error:  # by TCP, by its socket's file
            raise DatabaseAway("nobody answers at the database's address") from error
        finally:
            pool.waiting -= 1

    def __await__(self) -> Generator[Any, None, asyncpg.Connection]:
        return self.__aenter__().__await__()

    async def __aexit__(self, *error: object) -> None:
        await self._held.__aexit__(*error)


async def open_pool(dsn: str, *, name: str, size: int, wait_seconds: float = 10.0, most_waiting: int = 256) -> Pool:
    """A pool of at most `size` connections, opened lazily after the first two."""
    pool = Pool(
        dsn,
        connection_class=asyncpg.Connection,
        record_class=asyncpg.Record,
        min_size=min(2, size),
        max_size=size,
        max_queries=50_000,
        loop=None,
        timeout=5,
        command_timeout=COMMAND_SECONDS,
        max_inactive_connection_lifetime=300,
        server_settings={**SESSION, "application_name": name},
        reset=_keep_session,
    )
    pool.wait_seconds, pool.most_waiting = wait_seconds, most_waiting
    await pool
    return pool


async def _keep_session(connection: asyncpg.Connection) -> None:
    """Replace asyncpg's reset query.

    It costs up to half the throughput, nothing here changes session state, and the pool itself rolls back
    a transaction that was left open.
    """
