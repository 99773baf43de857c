"""What can go wrong around the services: the records on the topics, and the carriers."""

import contextlib
import hashlib
import random
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.contracts.envelope import Envelope, to_headers
from shared.contracts.intake import LeadUpdated
from shared.contracts.topics import SUBMISSIONS, events_of
from shared.db.migrate import fill
from shared.eventlog.log import Origin, Pending, append, partition_of
from shared.ids import new_id
from tests.chaos.arena import Arena
from tests.chaos.facts import Poison
from tests.chaos.faults import Fault
from tests.chaos.tap import FORGED
from tests.support.waiting import eventually

TOPIC = events_of("intake")
FORGED_HEADER = (FORGED, b"1")
LAST_EVENTS = "select * from intake.event_log order by id desc limit $1"
# Both processes' relays end, and their lock is taken before either is back.
END_RELAYS = """
select pg_terminate_backend(pid) from pg_stat_activity
 where application_name = 'intake-relay' and datname = current_database()
"""
LOCK = "select pg_try_advisory_lock(hashtextextended('relay:intake', 0))"
# Up to `settled_id` the log was written in another cluster, whose transaction ids mean nothing here.
HIDDEN = """
select * from event_log
 where id > (select settled_id from relay)
   and not pg_visible_in_snapshot(xid, (select cursor from relay)::pg_snapshot) order by id
"""
HIDDEN_PATIENTS = """
select exists (select from event_log e join patients p on p.id = e.subject
                where e.id > (select settled_id from relay)
                  and not pg_visible_in_snapshot(e.xid, (select cursor from relay)::pg_snapshot))
"""
PASS_BY = """
update relay set cursor = pg_current_snapshot()::text, cursor_at = clock_timestamp(), upper = null, upper_at = null,
       after_id = 0, term = term + 1
"""
LEFT = """
select count(*) from intake.event_log e left join {consumer}.inbox i on i.source = 1 and i.subject = e.subject
 where e.at between $1 and $2 and coalesce(i.sequence, 0) < e.sequence
"""
COUNTED = 'passage_inbox_gaps_total{source="intake"}'
READERS = ("assessment", "scheduling", "notifications", "dashboard")
PATIENTS = "select id from patients where id = any($1)"


async def put(arena: Arena, *records: dict[str, Any]) -> None:
    """Records on a topic, in order, as somebody else would put them there; waits for a broker that is away."""

    async def connected() -> AIOKafkaProducer:
        producer = AIOKafkaProducer(bootstrap_servers=arena.kafka_address, acks="all")
        try:
            await producer.start()
        except KafkaError:
            await producer.stop()
            raise
        return producer

    producer = await eventually(connected, timeout=60, every=0.2, tolerate=(KafkaError,))
    try:
        for record in records:
            await producer.send_and_wait(**record)
    finally:
        await producer.stop()


def again(row: asyncpg.Record, *, forged: bool = True) -> dict[str, Any]:
    """A row of intake's log as its relay would publish it."""
    at = Envelope(
        row["event_id"], row["type"], "intake", row["subject"], row["sequence"], row["time"].astimezone(UTC),
        row["actor"], row["correlation"], row["causation"], row["traceparent"],
    )  # fmt: skip
    return {
        "topic": TOPIC, "key": str(row["subject"]).encode(), "value": row["body"].encode(),
        "partition": partition_of(row["subject"]),
        "headers": [*to_headers(at), *([FORGED_HEADER] if forged else [])],
    }  # fmt: skip


class Duplicates(Fault):
    """Old records once more, in any order."""

    name = "duplicated records"

    async def inject(self, arena: Arena) -> None:
        rows = await arena.fetch(LAST_EVENTS, 60)
        self.random.shuffle(rows)
        await put(arena, *(again(row) for row in rows))


class PoisonRecords(Fault):
    """Records that nobody can use: bytes without an envelope on some partitions, and what is no letter."""

    name = "poisoned records"
    seconds = 2.5

    def __init__(self, random_: random.Random) -> None:
        super().__init__(random_)
        self._began = datetime.now(UTC)

    async def inject(self, arena: Arena) -> None:
        # Judged alone: whoever was broken before has caught up, and nothing else is broken until this is applied.
        await self._caught_up(arena, datetime.now(UTC) - timedelta(seconds=30))
        self._began = datetime.now(UTC)
        for partition in self.random.sample(range(12), 4):
            value = f"poison {self.random.getrandbits(64):x}".encode()
            await put(arena, {"topic": TOPIC, "partition": partition, "value": value, "headers": [FORGED_HEADER]})
            at = datetime.now(UTC)
            content = hashlib.sha256(value).hexdigest()
            for consumer in READERS:
                arena.poison.append(Poison(content, consumer, TOPIC, partition, at, at + timedelta(seconds=2)))

    async def heal(self, arena: Arena) -> None:
        """What can't be read as a letter is kept for a person, not given up."""
        await put(arena, {"topic": SUBMISSIONS, "value": b"\xff not a letter", "headers": [FORGED_HEADER]})
        await self._caught_up(arena, self._began)

    async def _caught_up(self, arena: Arena, since: datetime) -> None:
        until = datetime.now(UTC)

        async def applied() -> bool:
            left = [await arena.fetch(fill(LEFT, consumer=consumer), since, until) for consumer in READERS]
            return not any(rows[0][0] for rows in left)

        with contextlib.suppress(AssertionError):  # then the invariants say who was late
            await eventually(applied, timeout=40, every=0.1)


class _Hidden(Fault):
    """Takes the relay's lock for a while: what is committed meanwhile is not published, and then passed by."""

    seconds = 1.5

    def __init__(self, random_: random.Random) -> None:
        super().__init__(random_)
        self._conn: asyncpg.Connection | None = None

    async def inject(self, arena: Arena) -> None:
        conn = self._conn = await arena.connect()
        await conn.execute("set search_path = intake")

        async def taken() -> bool:
            await conn.execute(END_RELAYS)
            return bool(await conn.fetchval(LOCK))

        await eventually(taken, timeout=20, every=0.02)

    async def heal(self, arena: Arena) -> None:
        assert self._conn is not None
        with contextlib.suppress(asyncpg.InterfaceError, asyncpg.PostgresConnectionError):
            async with self._conn.transaction(isolation="repeatable_read"):
                rows = list(await self._conn.fetch(HIDDEN))
                await self._conn.execute(PASS_BY)
            arena.tampered |= {str(row["subject"]) for row in rows}
            await self.show(arena, self._conn, rows)
        await self._conn.close(timeout=2)

    async def show(self, arena: Arena, conn: asyncpg.Connection, rows: list[asyncpg.Record]) -> None:
        """What becomes of the rows that the relay will not publish."""
        raise NotImplementedError


class Missing(_Hidden):
    """Events are never published. Their subjects' next events show the gap, every reader counts it, and a replay is
    asked for by itself.
    """

    name = "missing records"

    def __init__(self, random_: random.Random) -> None:
        super().__init__(random_)
        self._patients: set[UUID] = set()
        self._counted: dict[str, float] = {}

    @property
    def told(self) -> str:
        counted = ", ".join(f"{reader} {gaps:.0f}" for reader, gaps in self._counted.items())
        return f"{len(self._patients)} patients' events left out; gaps counted: {counted}"

    async def inject(self, arena: Arena) -> None:
        await super().inject(arena)
        assert self._conn is not None
        await eventually(partial(self._conn.fetchval, HIDDEN_PATIENTS), timeout=20)

    async def heal(self, arena: Arena) -> None:
        before = {reader: await _gaps(arena, reader) for reader in READERS}
        await super().heal(arena)
        for reader in READERS if self._patients else ():
            await eventually(partial(self._counts, arena, reader, before[reader]), timeout=30, every=0.1)

    async def _counts(self, arena: Arena, reader: str, before: float) -> bool:
        self._counted[reader] = await _gaps(arena, reader) - before
        return self._counted[reader] > 0

    async def show(self, arena: Arena, conn: asyncpg.Connection, rows: list[asyncpg.Record]) -> None:
        patients = self._patients = {row["id"] for row in await conn.fetch(PATIENTS, [r["subject"] for r in rows])}
        origin = Origin("intake", await arena.business_now(), "system:chaos", new_id())
        async with conn.transaction():
            events = [LeadUpdated(patient_id=one, changed=("language",), language="en") for one in sorted(patients)]
            await append(conn, [Pending(event, origin) for event in events])
        # Of who is no patient nothing more may ever be said: there no gap would show.
        await put(arena, *(again(row, forged=False) for row in rows if row["subject"] not in patients))


class Reordered(_Hidden):
    """Events appear on the topic in the wrong order, newest first."""

    name = "reordered records"

    async def show(self, arena: Arena, conn: asyncpg.Connection, rows: list[asyncpg.Record]) -> None:
        await put(arena, *(again(row, forged=False) for row in reversed(rows)))


async def _gaps(arena: Arena, reader: str) -> float:
    """How many missing sequences of intake's a consumer has counted since it started."""
    await arena.ready(reader)
    async with httpx.AsyncClient(timeout=5) as http:
        said = (await http.get(f"{arena.address(reader)}/metrics")).text
    return sum(float(line.rpartition(" ")[2]) for line in said.splitlines() if line.startswith(COUNTED))


class CarrierDown(Fault):
    """Neither texts nor mails can be handed over."""

    name = "SMS and SMTP down"
    seconds = 2.0
    quick = False

    async def inject(self, arena: Arena) -> None:
        await arena.sandbox("/api/faults", {"sms": "down", "smtp": "down"})

    async def heal(self, arena: Arena) -> None:
        await arena.sandbox("/api/faults", {"sms": "ok", "smtp": "ok"})


class _Doubtful(Fault):
    """The carrier takes a message and the clinic can't know."""

    how = "accept_then_500"
    seconds = 2.0

    def __init__(self, random_: random.Random) -> None:
        super().__init__(random_)
        self._began: datetime | None = None

    async def inject(self, arena: Arena) -> None:
        self._began = await arena.business_now()
        await arena.sandbox("/api/faults", {"sms": self.how, "smtp": self.how})

    async def heal(self, arena: Arena) -> None:
        await arena.sandbox("/api/faults", {"sms": "ok", "smtp": "ok"})
        assert self._began is not None
        if self.how == "slow":
            # A text that was begun now is accepted when the sandbox has slept.
            arena.unsure.append((self._began, await arena.business_now() + timedelta(seconds=25)))


class CarrierAccepts500(_Doubtful):
    """SMS and SMTP answer 500 after having accepted."""

    name = "SMS and SMTP answer 500 after accepting"


class CarrierSlow(_Doubtful):
    """SMS and SMTP take longer than we wait."""

    name = "SMS and SMTP slow"
    how = "slow"
    quick = False
