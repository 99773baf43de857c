"""Publish the event log to Kafka, in order, at least once.

The promise: what is committed is published; within a subject, events appear for the first time in the order of
their sequence; nothing else publishes. One relay per schema leads, by an advisory lock; the others wait.

The cursor is a snapshot: a window is what is visible in a newer snapshot and was not in the older one, ordered by
id. Paging by `id > last` would skip a late commit, a window by xid would wait for the longest transaction.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic

import asyncpg
import structlog

from shared.eventlog import cursor as cursors
from shared.eventlog.cursor import Cursor, ForeignCluster, Request, Row
from shared.eventlog.publishing import Publisher
from shared.telemetry import metrics

log = structlog.get_logger()
POLL_SECONDS = 1.0
STANDBY_SECONDS = 1.0
PAGE = 4_000
SAVE_SECONDS = 0.05
"""How old the saved cursor may be while more is published: a relay that is killed repeats so much, and its consumers
pass it by. To save it for every window takes as long as to publish a small one.
"""
FEW = 200
GATHER_SECONDS = 0.005
"""How far apart windows of few events begin while one follows the other: each costs this process and its readers a
transaction and a request, which at a thousand commits a second is more than they can do. A lone one waits for nothing.
"""
BACKOFF_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
PARTITIONS_EVERY_SECONDS = 3_600.0

Connect = Callable[[], Awaitable[asyncpg.Connection]]


class LostLeadership(Exception):
    """Another relay's term is in the table; this one stops publishing at once."""


@dataclass(frozen=True, slots=True)
class _Page:
    """Rows of one read, and where the cursor stands once they are published."""

    rows: list[Row]
    then: Cursor


class Relay:
    """The relay of one service's schema."""

    def __init__(self, service: str, connect: Connect, publisher: Publisher, *, page: int = PAGE) -> None:
        self._service = service
        self._connect = connect
        self._publisher = publisher
        self._page = page
        self._woken = asyncio.Event()
        self._pending_since: datetime | None = None
        self._rewound_at: datetime | None = None
        self._partitions_at = 0.0
        self._again = False  # there is more of a replay to publish
        self._sending: tuple[_Page, asyncio.Task[None]] | None = None
        self._unsaved: Cursor | None = None
        self._saved_at = 0.0
        self._read_at = 0.0
        self.leading = False
        self.trouble: str | None = None

    def wake(self) -> None:
        """Something was committed here. Only a hint: the poll finds it as well."""
        self._woken.set()

    def age(self) -> float:
        """Seconds that the oldest event known to be unpublished has waited; 0 when there is none."""
        if self._pending_since is None:
            return 0.0
        return max(0.0, (datetime.now(UTC) - self._pending_since).total_seconds())

    async def run(self) -> None:
        """Lead whenever the lock is free, until cancelled."""
        failures = 0
        # Asked for by whoever looks: while the broker is away, this goes round in a circle that nothing else comes by.
        metrics.OUTBOX_AGE.labels(self._service).set_function(self.age)
        while True:
            conn = None
            try:
                conn = await self._connect()
                if await cursors.try_lock(conn):
                    failures = 0
                    await self._lead(conn)
                else:
                    self.trouble = self._pending_since = None
                    await asyncio.sleep(STANDBY_SECONDS)
            except ForeignCluster as error:
                self.trouble = str(error)
                log.error("relay_foreign_cluster", service=self._service)
                await asyncio.sleep(5)
            except Exception as error:
                # Every failure has the same answer: let go of the lock, wait, start again from the saved cursor.
                self.trouble = f"relay: {type(error).__name__}"
                log.warning("relay_stopped", service=self._service, error=type(error).__name__, exc_info=failures == 0)
                await asyncio.sleep(BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)])
                failures += 1
            finally:
                self.leading = False
                if conn is not None:
                    await _close(conn)

    async def _lead(self, conn: asyncpg.Connection) -> None:
        await cursors.check_cluster(conn)
        at = await cursors.take_term(conn)
        self._unsaved = None
        self._rewound_at = await cursors.rewound_at(conn)
        await conn.add_listener(f"relay_{self._service}", lambda *_: self.wake())
        if self._pending_since is None:  # told also while there is no broker to publish to
            self._wait_since((await cursors.window(conn, at, 1))[1])
        await self._publisher.start()
        self.leading, self.trouble = True, None
        log.info("relay_leading", service=self._service, term=at.term)
        try:
            checked = 0.0
            while True:
                self._woken.clear()
                if self._again or monotonic() - checked > POLL_SECONDS:
                    at = await self._housekeeping(conn, at)
                    checked = monotonic()
                at, published = await self._drain(conn, at)
                if not published and not self._again:
                    await self._wait(conn)
        finally:
            await self._give_up()

    async def _wait(self, conn: asyncpg.Connection) -> None:
        """Until something was committed, or the poll: for a moment with the cursor in hand, then with it saved."""
        if self._unsaved is not None:
            if await self._is_woken(SAVE_SECONDS):
                return
            await self._save(conn)
        await self._is_woken(POLL_SECONDS)

    async def _is_woken(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self._woken.wait()
        return False

    async def _housekeeping(self, conn: asyncpg.Connection, at: Cursor) -> Cursor:
        if monotonic() - self._partitions_at > PARTITIONS_EVERY_SECONDS:
            await conn.execute(cursors.ENSURE_PARTITIONS)
            self._partitions_at = monotonic()
        self._again = False
        if at.upper is not None:
            return at  # half a window is on its topic: first the rest of it
        for request in await cursors.open_requests(conn):
            if request.until_at is not None:
                self._again |= await self._repeat(conn, at, request)
            elif request.from_at is not None:
                at, self._unsaved = await cursors.rewind(conn, at, request.from_at), None
                await cursors.finish(conn, request.id, 0)
                self._rewound_at = datetime.now(UTC)
                log.info("relay_rewound", service=self._service, request=request.id)
            else:
                rows = await cursors.of_subject(conn, at, request)
                await self._publisher.publish(rows)
                await cursors.finish(conn, request.id, len(rows))
                log.info("relay_replayed_subject", service=self._service, request=request.id, events=len(rows))
        return at

    async def _repeat(self, conn: asyncpg.Connection, at: Cursor, request: Request) -> bool:
        """Publish a page of a range again; whether there is more of it. What is new goes on between the pages."""
        rows = await cursors.of_range(conn, at, request, self._page)
        await self._publisher.publish(rows)
        if len(rows) == self._page:
            await cursors.got_to(conn, request.id, rows[-1].id, len(rows))
            return True
        await cursors.finish(conn, request.id, len(rows))
        log.info("relay_replayed_range", service=self._service, request=request.id)
        return False

    async def _drain(self, conn: asyncpg.Connection, at: Cursor) -> tuple[Cursor, int]:
        """Publish window after window until one is empty, or others wait for the relay; while one is on its way, the
        next one's batches are made and the one after that is read.
        """
        page = await self._read(conn, at)
        total, until = 0, monotonic() + POLL_SECONDS
        while page.rows or page.then.upper is not None:
            ahead = asyncio.create_task(self._save_and_read(conn, page.then, gather=len(page.rows) < FEW))
            # Its trouble is raised where its page is wanted; where publishing fails first, that is told instead.
            ahead.add_done_callback(lambda done: done.cancelled() or done.exception())
            try:
                await self._send(page)
            finally:
                await asyncio.wait([ahead])
            total += len(page.rows)
            if page.then.upper is None and monotonic() > until:
                await self._arrived()
                return page.then, total  # what was read ahead is read again
            page = ahead.result()
        await self._arrived()
        self._pending_since = None
        # An empty window is not worth a write: starting again from the older cursor finds nothing more.
        return page.then, total

    async def _send(self, page: _Page) -> None:
        """Put a page on its way as soon as the one before has arrived."""
        await asyncio.sleep(0)  # who reads ahead has asked the database before this process is busy
        made = await self._publisher.make(page.rows)
        await self._arrived()
        self._wait_since(page.rows)
        self._sending = page, asyncio.create_task(self._publisher.put(made))

    async def _arrived(self) -> None:
        """Wait for what is on its way, and let the cursor go past it."""
        if self._sending is None:
            return
        page, putting = self._sending
        await asyncio.wait([putting])
        self._sending = None
        putting.result()
        if page.rows:
            self._unsaved = page.then
        metrics.RELAY_PUBLISHED.labels(self._service).inc(len(page.rows))

    async def _give_up(self) -> None:
        """Let go of the producer; what was on its way is published again by whoever leads next."""
        if self._sending is not None:
            _, putting = self._sending
            self._sending = None
            putting.cancel()
            await asyncio.wait([putting])
        await self._publisher.stop()

    def _wait_since(self, rows: list[Row]) -> None:
        """Keep how long these have waited: what a replay publishes again since it was asked for, not since it was
        written, or a replay would take its service out of service.
        """
        if rows:
            self._pending_since = max(rows[0].at, self._rewound_at or rows[0].at)

    async def _save_and_read(self, conn: asyncpg.Connection, then: Cursor, *, gather: bool) -> _Page:
        if self._unsaved is not None and monotonic() - self._saved_at > SAVE_SECONDS:
            await self._save(conn)
        if gather:
            await asyncio.sleep(max(0.0, self._read_at + GATHER_SECONDS - monotonic()))
        return await self._read(conn, then)

    async def _read(self, conn: asyncpg.Connection, at: Cursor) -> _Page:
        self._read_at = monotonic()
        at, rows = await cursors.window(conn, at, self._page)
        if len(rows) == self._page:
            return _Page(rows, replace(at, after_id=rows[-1].id))
        assert at.upper is not None
        assert at.upper_at is not None
        return _Page(rows, Cursor(at.upper, at.upper_at, None, None, 0, at.term, at.settled))

    async def _save(self, conn: asyncpg.Connection) -> None:
        """Write down where everything before was published."""
        saving = self._unsaved
        assert saving is not None
        if not await cursors.save(conn, saving):
            raise LostLeadership(self._service)
        self._saved_at = monotonic()
        if self._unsaved is saving:  # more may have arrived meanwhile
            self._unsaved = None


async def _close(conn: asyncpg.Connection) -> None:
    """Let go of the lock, also where the connection no longer answers."""
    try:
        await conn.close(timeout=2)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        conn.terminate()
