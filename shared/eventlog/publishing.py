"""Rows of the event log as Kafka records: batches per partition, each awaited before its successor.

The promise: when `put` returns, the broker has acknowledged every row on all in-sync replicas; when it raises, no row
of a partition has been acknowledged before its predecessors.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from shared.contracts.base import Source
from shared.contracts.envelope import written
from shared.eventlog.cursor import Row

BATCH_BYTES = 512 * 1024
REQUEST_TIMEOUT_MS = 10_000
Batches = Mapping[int, Sequence[BatchBuilder]]
"""By partition, each partition's in order."""


class Publisher:
    """One producer for one topic. A failed publish leaves the producer in doubt: stop it and start again."""

    def __init__(self, *, bootstrap: str, topic: str, source: Source, idempotent: bool) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._source = source
        self._idempotent = idempotent
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect a fresh producer."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            acks="all",
            enable_idempotence=self._idempotent,
            max_batch_size=BATCH_BYTES,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            client_id=f"relay-{self._source}",
        )
        starting = asyncio.ensure_future(producer.start())
        try:
            # Cancelled half way, aiokafka would leave a connection open: let it arrive, then stop it.
            await asyncio.shield(starting)
        except BaseException:
            await asyncio.wait([starting])
            await producer.stop()
            raise
        self._producer = producer

    async def stop(self) -> None:
        """Disconnect; what was not acknowledged will be published again."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def publish(self, rows: Sequence[Row]) -> None:
        """Make the rows' batches and put them.

        Raises:
            KafkaError: the broker did not take some of them.
        """
        await self.put(await self.make(rows))

    async def make(self, rows: Sequence[Row]) -> Batches:
        """The rows as batches, in order per partition; others of this process come by meanwhile."""
        producer = self._producer
        assert producer is not None, "start() comes before make()"
        partitions: dict[int, list[Row]] = defaultdict(list)
        for row in rows:
            partitions[row.partition].append(row)
        made: dict[int, list[BatchBuilder]] = {}
        for partition, own in partitions.items():
            batches = made[partition] = [producer.create_batch()]
            for row in own:
                if not self._append(batches[-1], row):
                    batches.append(producer.create_batch())
                    self._append(batches[-1], row)
            for batch in batches:
                batch.close()
            await asyncio.sleep(0)
        return made

    async def put(self, made: Batches) -> None:
        """Send batches and wait for all acknowledgements; the next are put when these have arrived.

        Raises:
            KafkaError: the broker did not take some of them.
        """
        async with asyncio.TaskGroup() as group:
            for partition, batches in made.items():
                group.create_task(self._put(partition, batches))

    async def _put(self, partition: int, batches: Sequence[BatchBuilder]) -> None:
        producer = self._producer
        assert producer is not None, "start() comes before put()"
        for batch in batches:
            await (await producer.send_batch(batch, self._topic, partition=partition))

    def _append(self, batch: BatchBuilder, row: Row) -> bool:
        headers = written(
            id=row.event_id,
            type=row.type,
            source=self._source,
            subject=row.subject,
            sequence=row.sequence,
            time=row.time,
            actor=row.actor,
            correlationid=row.correlation,
            causationid=row.causation,
            traceparent=row.traceparent,
        )
        appended = batch.append(timestamp=None, key=row.subject.encode(), value=row.body.encode(), headers=headers)
        return appended is not None
