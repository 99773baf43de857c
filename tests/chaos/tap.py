"""Reads all event topics from the beginning, for as long as a run lasts, across the broker's restarts and wipes."""

import asyncio

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from shared.contracts.base import SOURCES
from shared.contracts.envelope import NotAnEvent, from_headers
from shared.contracts.topics import PARTITIONS, events_of
from tests.chaos.facts import Published

FORGED = "chaos"
"""The header of records that the nemesis wrote itself."""

TOPICS = tuple(events_of(source) for source in SOURCES)


class Tap:
    """A reader of its own, in no group."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._consumer: AIOKafkaConsumer | None = None
        self._reading: asyncio.Task[None] | None = None
        self._found: dict[tuple[int, str, int, int], Published] = {}
        self.ids: set[str] = set()
        self.epoch = 0

    @property
    def records(self) -> list[Published]:
        """Everything so far, each partition in its order."""
        return [self._found[place] for place in sorted(self._found)]

    async def start(self) -> None:
        """Read from the beginning."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap, enable_auto_commit=False, auto_offset_reset="earliest",
            fetch_max_wait_ms=100,
        )  # fmt: skip
        await consumer.start()
        places = [TopicPartition(topic, number) for topic in TOPICS for number in range(PARTITIONS)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        self._consumer = consumer
        self._reading = asyncio.create_task(self._read(consumer))

    async def stop(self) -> None:
        """Stop reading; what was found stays."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._consumer is not None:
            # Without its broker it ends by all kinds of errors; nothing depends on how.
            await asyncio.gather(asyncio.ensure_future(self._consumer.stop()), return_exceptions=True)
        self._consumer = self._reading = None

    async def begin_epoch(self) -> None:
        """The broker has forgotten everything."""
        await self.stop()
        self.epoch += 1

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            try:
                found = await consumer.getmany(timeout_ms=200)
            except KafkaError:
                await asyncio.sleep(0.2)
                continue
            for place, raws in found.items():
                for raw in raws:
                    self._keep(place.topic, raw)

    def _keep(self, topic: str, raw: ConsumerRecord) -> None:
        forged = any(name == FORGED for name, _ in raw.headers)
        try:
            at = from_headers(raw.headers)
        except NotAnEvent:
            return
        place = (self.epoch, topic, raw.partition, raw.offset)
        self._found[place] = Published(*place, str(at.id), at.source, str(at.subject), at.sequence, forged)
        self.ids.add(str(at.id))
