"""Intake's accept against a bare insert of two rows: a contact over HTTP, in bulk, and from Kafka.

The base is one prepared statement that writes an aggregate and an outbox row, on 32 connections. A contact is name,
phone, e-mail and message of a stranger, under an idempotency key: nine rows of which two are events, validated, sealed,
counted against its producer's allowance, traced and logged, while the relay publishes. The load generator shares the
machine. The notes say how much processor time a contact costs intake, relay included.
"""

import asyncio
import json
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer

from benchmarks.harness import Figure, Stage, compared, in_turn
from benchmarks.harness.load import Caller, Measured, People, loop_for
from benchmarks.harness.stage import Process
from services.intake.adapters.mailbox import seal_letter
from services.intake.api.producers import add_api_key
from shared.contracts.topics import SUBMISSIONS
from shared.ids import new_id
from tests.support.waiting import eventually
from tests.support.world import World

CLIENTS = 32
BULK = 100
BULK_CLIENTS = 4
UNLIMITED = 100_000_000
"""Contacts that a producer may hand in per minute: each is counted, none is refused."""

# Not vacuumed: that would come a while after the base's rounds, in those of the others.
BARE_TABLES = """
create schema bare;
create table bare.leads (id uuid primary key, body json not null, created_at timestamptz not null default now())
    with (autovacuum_enabled = false);
create table bare.outbox (
    id bigint generated always as identity primary key, subject uuid not null, body json not null
) with (autovacuum_enabled = false);
"""
BARE = """
with lead as (insert into bare.leads (id, body) values ($1, $2) returning id)
insert into bare.outbox (subject, body) select id, $2 from lead
"""
DONE = "select count(*) from accepted"
LOGGED = "select count(*) from event_log"


async def measure(stage: Stage) -> Sequence[Figure]:
    """Rates of four doors and the p99 of the ordinary one."""
    seconds = 10 if stage.full else 3
    async with stage.world() as world, stage.process(world, "intake", producer_per_minute=UNLIMITED) as intake:
        doors = await Doors.open(world, intake)
        queued = stage.size(4_000, 20_000)
        found = await in_turn(
            stage.rounds,
            {
                "bare": lambda: doors.bare(seconds),
                "single": lambda: doors.single(seconds),
                "bulk": lambda: doors.bulk(seconds),
                "queue": lambda: doors.queue(queued, sealed=False),
                "sealed": lambda: doors.queue(queued // 4, sealed=True),
            },
        )
    rates = {name: [measured.rate for measured in each] for name, each in found.items()}
    waits = {name: [measured.quantile(0.99) * 1_000 for measured in found[name]] for name in ("bare", "single")}
    notes = {name: _note(each) for name, each in found.items()}
    against = partial(compared, against="bare insert, 32 connections")
    base = rates["bare"]
    return [
        against("POST /api/v1/leads, 32 clients", "/s", rates["single"], base, at_least=0.4, note=notes["single"]),
        against("p99 of the same", "ms", waits["single"], waits["bare"], at_most=1.5),
        against("POST /api/v1/leads/bulk", "/s", rates["bulk"], base, at_least=0.8, note=notes["bulk"]),
        against("contacts by Kafka, plain", "/s", rates["queue"], base, at_least=0.8, note=notes["queue"]),
        against("contacts by Kafka, sealed", "/s", rates["sealed"], base, at_least=0.8, note=notes["sealed"]),
    ]


def _note(rounds: Sequence[Measured]) -> str:
    each = statistics.median(measured.processor / measured.done for measured in rounds)
    return f"{each * 1e6:.0f} µs of intake's processor time each"


class Doors:
    """Intake's doors and the bare insert, each as one stretch of load."""

    def __init__(self, world: World, intake: Process, key: str) -> None:
        self.world = world
        self.intake = intake
        self.people = People()
        self._key = key

    @classmethod
    async def open(cls, world: World, intake: Process) -> "Doors":
        """Let a producer in."""
        async with world.connection() as owner:
            await owner.execute(BARE_TABLES)
        async with world.connection("intake") as conn:
            return cls(world, intake, await add_api_key(conn, "bench"))

    async def bare(self, seconds: float) -> Measured:
        """Two rows by one prepared statement on each of 32 connections."""
        connections = [await asyncpg.connect(self.world.dsn()) for _ in range(CLIENTS)]
        statements = [await connection.prepare(BARE) for connection in connections]
        body = json.dumps(self.people.lead()[1])

        async def once(client: int) -> int:
            await statements[client].fetch(new_id(), body)
            return 1

        measured = await loop_for(seconds, CLIENTS, once)
        for connection in connections:
            await connection.close()
        return measured

    async def single(self, seconds: float) -> Measured:
        """One contact per request."""

        async def once(caller: Caller) -> int:
            await self.hand_in(caller)
            return 1

        return await self._call(seconds, CLIENTS, once)

    async def hand_in(self, caller: Caller) -> bytes:
        """One stranger's contact; the answer's body."""
        name, said = self.people.lead()
        headers = {"x-api-key": self._key, "idempotency-key": name}
        status, body = await caller.post("/api/v1/leads", headers, said)
        assert status == 201, body
        return body

    async def bulk(self, seconds: float) -> Measured:
        """A hundred contacts per request, four requests at once."""

        async def once(caller: Caller) -> int:
            items = [{"key": name, "lead": said} for name, said in (self.people.lead() for _ in range(BULK))]
            status, body = await caller.post("/api/v1/leads/bulk", {"x-api-key": self._key}, items)
            assert status == 200, body
            assert all(item["status"] == 201 for item in json.loads(body)), body
            return BULK

        return await self._call(seconds, BULK_CLIENTS, once)

    async def queue(self, count: int, *, sealed: bool) -> Measured:
        """Contacts written to Kafka, until the last of them is committed."""
        leads = [self.people.lead() for _ in range(count)]
        values = [json.dumps(said).encode() for _, said in leads]
        if sealed:
            public = self._public()
            values = [seal_letter(public, value).encode() for value in values]
        producer = AIOKafkaProducer(bootstrap_servers=self.world.kafka, linger_ms=5)
        await producer.start()
        async with self.world.connection("intake") as conn:
            wanted = await conn.fetchval(DONE) + count
            began, spent = time.perf_counter(), self._processor()
            topic = self.world.kafka_prefix + SUBMISSIONS
            sent = [
                await producer.send(topic, value, key=key.encode())
                for value, (key, _) in zip(values, leads, strict=True)
            ]
            await asyncio.gather(*sent)
            await eventually(lambda: conn.fetchval(DONE), equals=wanted, timeout=300)
            measured = Measured(count, time.perf_counter() - began, processor=self._processor() - spent)
        await producer.stop()
        await self._drained()
        return measured

    def _public(self) -> dict[str, Any]:
        private = json.loads(self.world.secrets.submissions_key.read_text())
        return {**{name: private[name] for name in ("kty", "crv", "x", "y")}, "kid": "bench"}

    async def _call(self, seconds: float, clients: int, once: Callable[[Caller], Awaitable[int]]) -> Measured:
        callers = [await Caller.connect(self.intake.url) for _ in range(clients)]
        spent = self._processor()
        measured = await loop_for(seconds, clients, lambda client: once(callers[client]))
        measured.processor = self._processor() - spent
        for caller in callers:
            caller.transport.close()
        await self._drained()
        return measured

    def _processor(self) -> float:
        """Seconds of processor time that intake has used so far."""
        fields = Path(f"/proc/{self.intake.program.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def _drained(self) -> None:
        """Until the relay has published everything: the next way starts on a quiet machine."""
        async with self.world.connection("intake") as conn:
            logged = await conn.fetchval(LOGGED)

        async def published() -> bool:
            caller = await Caller.connect(self.intake.url)
            _, body = await caller.get("/metrics")
            caller.transport.close()
            lines = body.decode().splitlines()
            return any(
                line.startswith("passage_relay_published_total{") and float(line.rpartition(" ")[2]) >= logged
                for line in lines
            )

        await eventually(published, timeout=120, every=0.1)
