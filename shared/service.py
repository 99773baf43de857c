"""The runtime of one process: policy, clock, database, broker, relay, consumer, timers and jobs.

The promise: whoever opens a transaction here gets state change and events committed together, and the relay woken after
it. Loops that fail are started again with a pause; what cannot go on makes the process unready, with a reason.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from shared import timers as timer_rows
from shared.audit import seal_forever
from shared.clinic import load
from shared.clock import CHANNEL, Clock, MovableClock, clock_for
from shared.consuming import Consumes
from shared.contracts.base import SOURCES
from shared.contracts.topics import events_of
from shared.db.backups import backed_up_at
from shared.db.pool import connect, open_pool
from shared.eventlog.log import append
from shared.eventlog.publishing import Publisher
from shared.eventlog.relay import Relay
from shared.inbox import dead_letters, positions
from shared.inbox.consumer import BrokerAway, Consumer
from shared.inbox.handling import GAP_PATIENCE_SECONDS
from shared.inbox.trying import LATER
from shared.security.keyring import Keyring
from shared.security.keys import PatientKeys
from shared.security.lookup import Lookup
from shared.settings import ServiceSettings
from shared.telemetry import metrics, trace
from shared.timers import Timers
from shared.uow import UnitOfWork

log = structlog.get_logger()
Job = Callable[["Service"], Awaitable[None]]
Check = Callable[[], str]
"""Why a part of the service's own isn't ready; empty when it is."""
RESTART_SECONDS = (0.5, 1.0, 2.0, 5.0, 15.0)
TIMER_POLL_SECONDS = 1.0
TIMER_BATCHES = (50, 1_000)
TIMER_TRANSACTION_SECONDS = 0.1
"""Batches grow while one takes less than this, and shrink when it takes more: handlers differ a hundredfold."""
BACKUP_EVERY_SECONDS = 60.0
RELAY_AGE_LIMIT_SECONDS = 30.0
NOT_FOR_REQUESTS = frozenset({"broker", "consumer", "relay"})
"""Parts without which requests are answered all the same: what they change is kept, and told later."""
DECISIONS_EVERY_SECONDS = 2.0
AWAY_SECONDS = 2.0


class Service:
    """One per process. `state` is the service's own: its adapters, wired in `app.py`.

    With `hears` it is known how fresh the facts of other services are (`shared.inbox.hearing`).
    """

    def __init__(
        self,
        name: str,
        settings: ServiceSettings,
        *,
        consumes: Consumes | None = None,
        timers: Timers | None = None,
        jobs: Sequence[Job] = (),
        checks: Mapping[str, Check] | None = None,
        state: Any = None,
        clock: Clock | None = None,
        hears: bool = False,
    ) -> None:
        self.name = name
        self.settings = settings
        self.state = state
        self.clinic = load(settings.clinic_file)
        self.keyring = Keyring.load(settings.clinic_key_file)
        self.lookup = Lookup(self.keyring)
        self.clock: Clock = clock or clock_for(settings.environment)
        self.pool: asyncpg.Pool = None
        self.consumer: Consumer | None = None
        if consumes is not None:
            self.consumer = Consumer(name, settings, consumes, self._system, self.keyring, hears=hears)
        self.relay = self._make_relay()
        self._timers = timers
        self._timers_woken = asyncio.Event()
        self._jobs: list[Job] = [*jobs]
        self._checks = dict(checks or {})
        self._running: list[asyncio.Task[None]] = []

    def _make_relay(self) -> Relay | None:
        source = next((source for source in SOURCES if source == self.name), None)
        if source is None:
            return None
        publisher = Publisher(
            bootstrap=self.settings.kafka,
            topic=self.settings.topic(events_of(source)),
            source=source,
            idempotent=self.settings.kafka_idempotent,
        )
        return Relay(source, lambda: connect(self.dsn, name=f"{source}-relay"), publisher)

    @property
    def dsn(self) -> str:
        """The database's address, with its password."""
        return self.settings.database_url.get_secret_value()

    async def start(self) -> None:
        """Connect and start all loops; raises when the database cannot be reached.

        Without a broker or its topics it starts all the same: what comes in is kept, and published when they are there.
        """
        self.pool = await open_pool(
            self.dsn,
            name=self.name,
            size=self.settings.database_pool,
            wait_seconds=self.settings.database_wait_seconds,
            most_waiting=self.settings.requests_at_once,
        )
        if isinstance(self.clock, MovableClock):
            async with self.pool.acquire() as conn:
                await self.clock.refresh(conn)
            self._run("clock", _follow_clock)
        if self.consumer is not None:
            try:
                await self.consumer.start()
            except BrokerAway as error:
                log.warning("broker_away", service=self.name, error=str(error))
                self._run("consumer", _read)
            self._run("decisions", _decisions)
        if self.relay is not None:
            self._running.append(asyncio.create_task(self.relay.run(), name="relay"))
        if self._timers is not None and self._timers.handlers:
            self._run("timers", _timer_loop)
        self._run("audit", _seal_audit)
        self._run("backups", _watch_backups)
        for job in self._jobs:
            self._run(getattr(job, "__name__", "job"), job)
        log.info("service_started", service=self.name)

    async def stop(self) -> None:
        """Relay and loops first, then the consumer with its batch in hand, then the pool."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()
        if self.consumer is not None:
            await self.consumer.stop()
        if self.pool is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await self.pool.close()
            self.pool.terminate()
        log.info("service_stopped", service=self.name)

    async def readiness(self) -> dict[str, str]:
        """Why this process should get no work, part by part; empty when it is ready."""
        reasons: dict[str, str] = {}
        try:
            async with asyncio.timeout(2), self.pool.acquire() as conn:
                await conn.execute("select 1")
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            reasons["database"] = type(error).__name__
        if self.consumer is not None:
            if trouble := self.consumer.trouble():
                reasons["consumer"] = trouble
            elif not await self.consumer.broker.ping(timeout=2):
                reasons["broker"] = "does not answer"
        if self.relay is not None:
            if self.relay.trouble:
                reasons["relay"] = self.relay.trouble
            elif self.relay.age() > RELAY_AGE_LIMIT_SECONDS:
                reasons["relay"] = "committed events wait for the broker"
        reasons |= {part: reason for part, check in self._checks.items() if (reason := check())}
        metrics.UNREADY.set(len(reasons))
        return reasons

    @asynccontextmanager
    async def transaction(self, *, actor: str, journey: UUID | None = None) -> AsyncIterator[UnitOfWork]:
        """A transaction; at its end what was published is written to the event log, then all of it commits."""
        async with self.pool.acquire() as conn, conn.transaction():
            uow = self._unit(conn, actor, journey)
            yield uow
            await append(conn, uow.pending)
        if uow.pending and self.relay is not None:
            self.relay.wake()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[UnitOfWork]:
        """A read-only transaction."""
        async with self.pool.acquire() as conn, conn.transaction(readonly=True):
            yield self._unit(conn, f"system:{self.name}", None)

    def _system(self) -> contextlib.AbstractAsyncContextManager[UnitOfWork]:
        return self.transaction(actor=f"system:{self.name}")

    def _unit(self, conn: asyncpg.Connection, actor: str, journey: UUID | None) -> UnitOfWork:
        return UnitOfWork(
            conn=conn,
            service=self.name,
            now=self.clock.now(),
            actor=actor,
            clinic=self.clinic,
            keys=PatientKeys(conn, self.keyring),
            lookup=self.lookup,
            journey=journey,
            traceparent=trace.current_traceparent(),
        )

    def _run(self, name: str, job: Job) -> None:
        self._running.append(asyncio.create_task(self._supervise(name, job), name=name))

    async def _supervise(self, name: str, job: Job) -> None:
        failures = 0
        while True:
            try:
                await job(self)
            except Exception as error:
                pause = RESTART_SECONDS[min(failures, len(RESTART_SECONDS) - 1)]
                failures += 1
                log.warning("job_failed", job=name, error=type(error).__name__, seconds=pause, exc_info=failures == 1)
                await asyncio.sleep(pause)
            else:
                return

    def wake_timers(self) -> None:
        """Business time has moved, or a timer was set for now."""
        self._timers_woken.set()

    async def fire_due_timers(self) -> int:
        """Fire what is due, in batches; one that fails is put off and the others go on. Returns how many fired."""
        assert self._timers is not None
        kinds = sorted(self._timers.handlers)
        least, most = TIMER_BATCHES
        total, limit, began = 0, least, monotonic()
        while fired := await self._fire(kinds, limit):
            total += fired
            began, took = monotonic(), monotonic() - began
            limit = (
                min(most, limit * 2) if took < TIMER_TRANSACTION_SECONDS and fired == limit else max(least, limit // 2)
            )
        return total

    async def _fire(self, kinds: list[str], limit: int) -> int:
        assert self._timers is not None
        current: timer_rows.Timer | None = None
        due: list[timer_rows.Timer] = []
        try:
            async with self._system() as uow:
                due = await timer_rows.claim(uow.conn, uow.now, kinds, limit)
                for current in due:
                    await self._timers.handlers[current.kind](uow, current)
        except LATER:
            raise
        except Exception as error:
            assert current is not None
            log.warning("timer_failed", kind=current.kind, subject=str(current.subject), exc_info=error)
            self._note_late(current)  # what never fires is late too, and somebody has to hear of it
            async with self._system() as uow:
                await timer_rows.put_off(uow.conn, current, type(error).__name__)
            return 1  # the others of this batch were rolled back with it; the next round takes them again
        for timer in due:
            metrics.TIMERS_FIRED.labels(timer.kind).inc()
            self._note_late(timer)
        return len(due)

    def _note_late(self, timer: timer_rows.Timer) -> None:
        metrics.TIMERS_LATE.observe(max(0.0, (self.clock.now() - timer.due_at).total_seconds()))

    async def wait_for_timers(self) -> None:
        """Until something may be due: the next timer's moment, or the poll, which sees those that were set since."""
        assert self._timers is not None
        now, pause = self.clock.now(), TIMER_POLL_SECONDS
        async with self.reading() as uow:
            due = await timer_rows.next_due(uow.conn, sorted(self._timers.handlers), after=now)
        if due is not None:
            pause = min(pause, max(0.001, (due - now).total_seconds()))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._timers_woken.wait()
        self._timers_woken.clear()


async def _read(service: Service) -> None:
    """Begin to read as soon as there is a broker with topics."""
    assert service.consumer is not None
    while True:
        try:
            await service.consumer.start()
        except BrokerAway:
            await asyncio.sleep(AWAY_SECONDS)
        else:
            return


async def _seal_audit(service: Service) -> None:
    await seal_forever(service.pool, service.keyring)


async def _watch_backups(service: Service) -> None:
    while True:
        async with service.pool.acquire() as conn:
            told = await backed_up_at(conn)
        metrics.BACKED_UP.set(0 if told is None else told.timestamp())
        await asyncio.sleep(BACKUP_EVERY_SECONDS)


async def _timer_loop(service: Service) -> None:
    while True:
        await service.fire_due_timers()
        await service.wait_for_timers()


async def _follow_clock(service: Service) -> None:
    """Take over the stack's moved clock: at once when notified, by poll in any case."""
    assert isinstance(service.clock, MovableClock)
    conn = await connect(service.dsn, name=f"{service.name}-clock")
    moved = asyncio.Event()
    try:
        await conn.add_listener(CHANNEL, lambda *_: moved.set())
        while True:
            if await service.clock.refresh(conn):
                service.wake_timers()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await moved.wait()
            moved.clear()
    finally:
        await conn.close(timeout=2)


async def _decisions(service: Service) -> None:
    """Do what people decided about dead letters, ask again for what is still missing, apply what was left waiting."""
    consumer = service.consumer
    assert consumer is not None
    asked = 0.0
    while True:
        async with service.reading() as uow:
            wanted = await dead_letters.wanted(uow.conn, service.keyring)
        for letter in wanted:
            await consumer.handling.decide(letter)
        now = asyncio.get_running_loop().time()
        if now - asked > GAP_PATIENCE_SECONDS:
            asked = now
            async with service.reading() as uow:
                gaps, overdue = await positions.gaps(uow.conn), await positions.overdue(uow.conn)
            await consumer.handling.ask(gaps)
            await consumer.handling.release(overdue)
        await asyncio.sleep(DECISIONS_EVERY_SECONDS)
