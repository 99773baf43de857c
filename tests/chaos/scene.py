"""A small run in this process: the kernel's services of two lines, a workload that provokes one mistake, and the facts
that it leaves. The mutants are judged over these by the same functions as a whole run with its faults.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any, Self
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.kafka.topics import create_topics
from shared.consuming import Record
from shared.contracts.envelope import Envelope, from_headers, to_headers
from shared.contracts.topics import CONTROL, PARTITIONS, TOPICS, events_of
from shared.db.pool import open_pool
from shared.eventlog import cursor
from shared.eventlog.cursor import Row
from shared.inbox import incoming
from shared.inbox.applying import Applier
from shared.inbox.incoming import Incoming
from shared.service import Service
from shared.settings import ServiceSettings
from tests.chaos.facts import Effect, Facts, Logged, Published
from tests.support.kernel import create_lead, recorder
from tests.support.waiting import eventually
from tests.support.world import World

TOPIC = events_of("intake")
NEEDED = (TOPIC, CONTROL)
GROUP = "passage.assessment"
CONSUMER = "assessment"
EFFECTS = """
create table assessment.effects (n bigint generated always as identity, event_id uuid, subject uuid, sequence bigint)
"""
LOG = "select * from intake.event_log order by id"
POSITIONS = "select subject, sequence from assessment.inbox where source = 1"
APPLIED = "select subject, sequence from assessment.effects order by n"
PARKED = "select subject, sequence from assessment.parked where source = 1"
DROP_POSITIONS = "delete from assessment.inbox"


class Scene:
    """One producer, intake, and one consumer, assessment, on a database and topics of their own."""

    def __init__(self, world: World, monkeypatch: Any) -> None:
        self.world, self.monkeypatch = world, monkeypatch
        self.mutated = False
        self.records: list[Published] = []
        self._reader: AIOKafkaConsumer | None = None
        self.gate: Callable[[], Any] | None = None

    def make(self, name: str, **parts: Any) -> Service:
        """A service of that name, not started."""
        return Service(name, ServiceSettings(**self.world.wiring.settings(name)), **parts)

    async def execute(self, sql: str, *arguments: Any) -> None:
        """As the owner of everything."""
        async with self.world.connection() as conn:
            await conn.execute(sql, *arguments)

    async def open(self, *, broker: bool) -> None:
        """The table of effects; with `broker` the two topics that are needed, and a reader of one."""
        await self.execute(EFFECTS)
        if not broker:
            return
        await self.world._broker_answers()
        self.world._topics = await create_topics(
            self.world.kafka, prefix=self.world.kafka_prefix, topics=[one for one in TOPICS if one.name in NEEDED]
        )
        self._reader = AIOKafkaConsumer(
            bootstrap_servers=self.world.kafka, fetch_max_wait_ms=20, enable_auto_commit=False
        )
        await self._reader.start()
        places = [TopicPartition(self.world.kafka_prefix + TOPIC, number) for number in range(PARTITIONS)]
        self._reader.assign(places)
        await self._reader.seek_to_beginning(*places)

    async def close(self) -> None:
        """Let go of the reader."""
        if self._reader is not None:
            await self._reader.stop()

    async def appeared(self, subject: UUID) -> list[int]:
        """The sequences of a subject that are on the topic so far."""
        assert self._reader is not None
        for raws in (await self._reader.getmany(timeout_ms=50)).values():
            for raw in raws:
                at = from_headers(raw.headers)
                self.records.append(
                    Published(0, TOPIC, raw.partition, raw.offset, str(at.id), at.source, str(at.subject), at.sequence)
                )
        return [record.sequence for record in self.records if record.subject == str(subject)]

    async def settled(self, service: Service, *, patience: float = 20) -> bool:
        """Until one more patient's event is on the topic: whatever the relay was to publish before, it has."""
        last = await create_lead(service)
        try:
            await eventually(lambda: self.appeared(last), timeout=patience)
        except AssertionError:
            return False
        return True

    async def consumed(self, service: Service) -> None:
        """Until one more patient's event has had its effect."""
        last = await create_lead(service)
        async with self.world.connection() as conn:
            await eventually(lambda: _has_effect(conn, last), timeout=30)
        await eventually(lambda: self.appeared(last), timeout=20)

    async def applied(self, subject: UUID, *, patience: float) -> bool:
        """Until a patient's event has had its effect; False when that is in vain."""
        async with self.world.connection() as conn:
            try:
                await eventually(lambda: _has_effect(conn, subject), timeout=patience)
            except AssertionError:
                return False
        return True

    async def facts(self, *, consumer: bool = False) -> Facts:
        """What stands in the tables and on the topic now."""
        async with self.world.connection() as conn:
            if self._reader is not None:
                await self._read_on(conn)
            log = [
                Logged(str(r["event_id"]), "intake", str(r["subject"]), r["sequence"], r["type"], r["at"])
                for r in await conn.fetch(LOG)
            ]
            facts = Facts(
                log=log if self._reader is not None else [],
                topic=self.records,
                effects=[
                    Effect(CONSUMER, "intake", str(r["subject"]), r["sequence"]) for r in await conn.fetch(APPLIED)
                ],
            )
            if consumer:
                facts.readers = {"intake": (CONSUMER,)}
                facts.positions = {
                    (CONSUMER, "intake", str(r["subject"])): r["sequence"] for r in await conn.fetch(POSITIONS)
                }
                facts.parked = {
                    (CONSUMER, "intake", str(r["subject"]), r["sequence"]) for r in await conn.fetch(PARKED)
                }
                facts.offsets = {
                    (CONSUMER, TOPIC, partition): offset for partition, offset in (await committed(self.world)).items()
                }
        return facts

    async def _read_on(self, conn: asyncpg.Connection) -> None:
        """Partitions are read in no order: until all that was logged is here, or a mutant has had its time."""
        wanted = {str(r["event_id"]) for r in await conn.fetch(LOG)}

        async def here() -> bool:
            await self.appeared(UUID(int=0))
            return wanted <= {record.id for record in self.records}

        with contextlib.suppress(AssertionError):
            await eventually(here, timeout=2 if self.mutated else 20)


async def _has_effect(conn: asyncpg.Connection, subject: UUID) -> bool:
    return bool(await conn.fetchval("select exists (select from assessment.effects where subject = $1)", subject))


async def committed(world: World) -> dict[int, int]:
    """The consumer's committed offset of each partition."""
    group = AIOKafkaConsumer(
        bootstrap_servers=world.kafka, group_id=world.kafka_prefix + GROUP, enable_auto_commit=False
    )
    await group.start()
    try:
        places = [TopicPartition(world.kafka_prefix + TOPIC, number) for number in range(PARTITIONS)]
        return {place.partition: await group.committed(place) or 0 for place in places}
    finally:
        await group.stop()


class ByHand:
    """The consumer without a broker: batches of the log are handed to it."""

    def __init__(self, scene: Scene) -> None:
        self.consumes, self.seen = recorder_of_everything()
        self.service = scene.make(CONSUMER, consumes=None)
        self.applier = Applier(self.consumes, self.service._system)
        self._scene = scene

    async def __aenter__(self) -> Self:
        self.service.pool = await open_pool(self.service.dsn, name=CONSUMER, size=4)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.service.pool.close()

    async def batch(self, patient: UUID) -> list[Incoming]:
        """All that was logged of a patient, as it would come from the topic."""
        async with self._scene.world.connection("intake") as conn:
            rows = await conn.fetch(LOG)
        return [self._incoming(row) for row in rows if row["subject"] == patient]

    def _incoming(self, row: Any) -> Incoming:
        at = Envelope(
            row["event_id"], row["type"], "intake", row["subject"], row["sequence"], row["time"], row["actor"],
            row["correlation"],
        )  # fmt: skip
        item = incoming.read(
            Record(TOPIC, row["partition"], row["id"], None, json.dumps(json.loads(row["body"])).encode(),
                   tuple(to_headers(at)))
        )  # fmt: skip
        incoming.validate(item, self.consumes)
        return item


def recorder_of_everything() -> tuple[Any, Any]:
    """A consumer that writes down each event of the kernel's workload."""
    from shared.contracts.intake import LeadClosed, LeadCreated, LeadUpdated

    return recorder(LeadCreated, LeadUpdated, LeadClosed)


def rows_of(found: list[asyncpg.Record]) -> list[Row]:
    """Rows of the log as the relay reads them."""
    return [Row(*row.values()) for row in found]


async def without_relay(service: Service) -> None:
    """Open what writing needs, and nothing that publishes."""
    service.pool = await open_pool(service.dsn, name=service.name, size=4)


async def stop_at_once(service: Service) -> None:
    """End a consumer as a crash does: nothing in hand is finished, nothing is committed."""
    consumer = service.consumer
    assert consumer is not None
    for task in consumer._subscriber.tasks:
        task.cancel()
    await asyncio.gather(*consumer._subscriber.tasks, return_exceptions=True)
    await service.stop()


COLUMNS = cursor.OF_SUBJECT.partition("where")[0]
"""The select list that makes a `Row`."""
