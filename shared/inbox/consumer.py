"""The layer over FastStream: one batch subscriber per service, over all the topics that it reads.

The promise: an offset is committed only after everything before it was applied, skipped, parked or dead-lettered. What
may work later is tried again after a pause, outside any transaction.

Offsets only say where a successor begins to read; what was applied stands in the inbox, with its effects. So they are
committed a few times a second and not after each batch, which on a quiet topic is one event: whoever takes over reads a
little twice, and passes it by.
"""

import asyncio
from time import monotonic
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import KafkaAckableMessage
from faststream.kafka.subscriber.usecase import BatchSubscriber
from faststream.message import AckStatus

from shared.consuming import Consumes
from shared.contracts.base import SOURCES
from shared.contracts.topics import CONTROL, events_of
from shared.errors import Transient
from shared.inbox import incoming
from shared.inbox.applying import Open
from shared.inbox.handling import Handling
from shared.inbox.hearing import Hearing
from shared.inbox.lag import Lag
from shared.inbox.trying import LATER
from shared.security.keyring import Keyring
from shared.settings import ServiceSettings
from shared.telemetry import metrics

log = structlog.get_logger()
MAX_RECORDS = 2_000
POSITION_SECONDS = 2.0
BACKOFF_SECONDS = (0.1, 0.5, 2.0, 5.0)
BATCH_WAIT_MS = 1_000
COMMIT_SECONDS = 0.1
STALE_SECONDS = 5.0
"""Who was not seen at work for so long stood still. Idle, a consumer looks around every second."""
METADATA_MS = 10_000
"""A consumer that joins its group while the topics of a broker are still being made anew shares out what it knows of
them; what it doesn't know is read by nobody until it looks again.
"""


CONNECT_SECONDS = 5.0
AWAY = "has not reached the broker yet"


class BrokerAway(Transient):
    """Nobody answers at the broker's address, or its topics aren't made yet; nothing is read, all else goes on."""


class _Offsets:
    """When to commit what was applied; called where nothing is in hand."""

    def __init__(self) -> None:
        self.waiting = False
        self._since = 0.0
        self._seen = 0.0

    def applied(self) -> None:
        """There is something to commit, from now on."""
        self._seen = monotonic()
        if not self.waiting:
            self.waiting, self._since = True, self._seen

    async def commit(self, consumer: AIOKafkaConsumer) -> None:
        """Commit when it is time; what the broker doesn't take now goes with the next.

        One try, as the member of the group that has read them. aiokafka's own `commit` tries until it succeeds, by then
        as whoever it is: on a broker that has forgotten everything meanwhile, old offsets would become the new group's,
        and what stands below them there would never be read.
        """
        now = monotonic()
        stood_still, self._seen = now - self._seen > STALE_SECONDS, now
        if not self.waiting or now - self._since < COMMIT_SECONDS:
            return
        if stood_still:
            # It believes to be a member of a group that may have forgotten it; not every broker refuses that. Its
            # successor, or itself, reads a little twice instead.
            self.waiting = False
            return
        self._since = now
        coordinator = consumer._coordinator
        async with coordinator._commit_lock:
            if (read := _read_as_member(consumer)) is None:
                return
            try:
                await coordinator._do_commit_offsets(read, read.all_consumed_offsets())
            except KafkaError as error:
                log.info("offsets_not_committed", error=type(error).__name__)
            else:
                self.waiting = False


def _read_as_member(consumer: AIOKafkaConsumer) -> Any:
    """The assignment of the group's present generation; None where the group is looked for, or shares out anew."""
    coordinator, state = consumer._coordinator, consumer._subscription
    if coordinator.generation < 0 or coordinator.coordinator_id is None or state.subscription is None:
        return None
    return None if state.reassignment_in_progress else state.subscription.assignment


class _Batch(KafkaAckableMessage):
    """Acknowledged when it is applied: its offsets are committed with those of the next ones."""

    offsets: _Offsets

    async def ack(self) -> None:
        self.offsets.applied()
        self.committed = AckStatus.ACKED


class _EagerBatches(BatchSubscriber):
    """FastStream sleeps for `batch_timeout_ms` after each empty poll, which doubles the wait for a lone event.
    `getmany` has waited already.
    """

    __slots__ = ()
    hearing: Hearing | None
    patients: str
    """intake's topic."""
    lag: Lag
    offsets: _Offsets

    async def get_msg(self, consumer: Any) -> tuple[ConsumerRecord, ...]:
        # Here nothing is in hand: what was read before is applied, or sought back to.
        self.lag.applied(consumer)
        if self.hearing is not None:
            try:
                await self.hearing.note(consumer)
            except LATER as error:
                log.info("hearing_not_noted", error=type(error).__name__)
        await self.offsets.commit(consumer)
        alone = await self._read_alone(consumer)
        wait_ms = round(COMMIT_SECONDS * 1_000) if self.offsets.waiting else BATCH_WAIT_MS
        found = await consumer.getmany(*alone, timeout_ms=wait_ms, max_records=self.max_records)
        self.lag.read(consumer, found)
        return tuple(record for records in found.values() for record in records)

    async def _read_alone(self, consumer: AIOKafkaConsumer) -> list[TopicPartition]:
        """Intake's partitions while they are far behind: what other services say of a patient who is not known yet
        would be parked, one by one, and a rebuild would park most of what it reads.
        """
        own = [at for at in consumer.assignment() if at.topic == self.patients]
        behind = 0
        try:
            async with asyncio.timeout(POSITION_SECONDS):
                for at in own:
                    end = consumer.highwater(at)
                    behind += 0 if end is None else end - await consumer.position(at)
        except (TimeoutError, KafkaError):
            return []  # partitions come and go at any await
        return own if behind > MAX_RECORDS else []


class Consumer:
    """One service's reader. `opened` opens a transaction with a unit of work; with `hears` it keeps `heard` current."""

    def __init__(
        self,
        service: str,
        settings: ServiceSettings,
        consumes: Consumes,
        opened: Open,
        keyring: Keyring,
        *,
        hears: bool = False,
    ) -> None:
        self._settings = settings
        self._failures = 0
        self._away = AWAY
        self.handling = Handling(service, consumes, opened, keyring, self._publish)
        asked = [CONTROL] if service in SOURCES else []
        self._names = {settings.topic(name): name for name in [*consumes.topics(service), *asked]}
        self.broker = KafkaBroker(
            settings.kafka,
            client_id=f"passage-{service}",
            enable_idempotence=settings.kafka_idempotent,
            acks="all",
            allow_auto_create_topics=False,
            graceful_timeout=10.0,
            metadata_max_age_ms=METADATA_MS,
            logger=None,
            apply_types=False,  # injecting what a handler is annotated with costs a hop to another thread and back
        )
        self._subscriber = self.broker.subscriber(
            *self._names,
            batch=True,
            group_id=settings.topic(f"passage.{service}"),
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.NACK_ON_ERROR,
            max_records=MAX_RECORDS,
            batch_timeout_ms=BATCH_WAIT_MS,
            fetch_max_wait_ms=settings.kafka_fetch_wait_ms,
            session_timeout_ms=settings.kafka_session_ms,
            heartbeat_interval_ms=settings.kafka_session_ms // 4,
            parser=self._whole,
            decoder=_raw,
        )
        self._subscriber.__class__ = _EagerBatches
        assert isinstance(self._subscriber, _EagerBatches)
        self._subscriber.patients = settings.topic(events_of("intake"))
        self._subscriber.hearing = Hearing(opened, self._names) if hears else None
        self._subscriber.lag = Lag()
        self._subscriber.offsets = self._offsets = _Offsets()
        self._subscriber(self._on_batch)

    async def start(self) -> None:
        """Connect and begin to read; may be asked again.

        Raises:
            BrokerAway: there is no broker to read from, or none of the topics' yet.
        """
        await self._reach()
        for name in self._names.values():
            metrics.DEAD_LETTERS.labels(name)  # from zero: what begins at one did not grow, and no alert would see it
        for source in SOURCES:
            if events_of(source) in self._names.values():
                metrics.GAPS.labels(source)
        await self.broker.start()

    async def _reach(self) -> None:
        """Ask whether anybody is there, with what can be thrown away: FastStream that began by half begins no more.

        It begins by half also where a topic is missing: it waits 40 s for it, and then ends the process.
        """
        self._away = AWAY
        looking = AIOKafkaAdminClient(bootstrap_servers=self._settings.kafka)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await looking.start()
                missing = self._names.keys() - set(await looking.list_topics())
        except (KafkaError, OSError, TimeoutError) as error:
            raise BrokerAway(f"no broker answers at {self._settings.kafka}") from error
        finally:
            await looking.close()
        if missing:
            self._away = f"the broker has no topic {min(missing)} yet"
            raise BrokerAway(f"{self._away}: `passage topics` makes it")

    async def stop(self) -> None:
        """Finish the batch in hand, then leave the group."""
        await self.broker.stop()

    def partitions(self) -> int:
        """How many partitions are this consumer's at present; 0 until its group has given it some."""
        reading = self._subscriber.consumer
        return 0 if reading is None else len(reading.assignment())

    def trouble(self) -> str | None:
        """Why this consumer cannot go on, or None."""
        tasks = self._subscriber.tasks
        if not self.broker.running:
            return f"consumer: {self._away}"
        if not tasks or any(task.done() for task in tasks):
            return "consumer: its loop has ended; restart the process"
        if self._failures > len(BACKOFF_SECONDS):
            return "consumer: the same batch fails again and again"
        return None

    async def _on_batch(self, records: tuple[ConsumerRecord, ...]) -> None:
        try:
            await self.handling.handle([incoming.record_of(record, self._names[record.topic]) for record in records])
        except Exception as error:
            # A nack is an immediate seek: without a pause here it would be a tight loop.
            pause = BACKOFF_SECONDS[min(self._failures, len(BACKOFF_SECONDS) - 1)]
            self._failures += 1
            log.warning("batch_postponed", error=type(error).__name__, seconds=pause, failures=self._failures)
            await asyncio.sleep(pause)
            raise
        self._failures = 0

    async def _whole(self, records: tuple[ConsumerRecord, ...]) -> KafkaMessage:
        """A batch as one message, unread: FastStream would turn every header into text first, and fail on one that is
        none.
        """
        first, last = records[0], records[-1]
        batch = _Batch(
            body=b"",
            headers={},
            message_id=f"{first.offset}-{last.offset}-{first.timestamp}",
            raw_message=records,
            consumer=self._subscriber.consumer,
        )
        batch.offsets = self._offsets
        return batch

    async def _publish(self, topic: str, value: bytes, headers: dict[str, str]) -> None:
        await self.broker.publish(value, topic=self._settings.topic(topic), headers=headers)


async def _raw(message: KafkaMessage) -> Any:
    """The records as they are: they are read by us, and one that cannot be read must reach the dead letters, not the
    log.
    """
    return message.raw_message
