"""Rows of the event log as Kafka records: batches per partition, each awaited before its successor.

The promise: when `publish` returns, the broker has acknowledged every row on all in-sync replicas; when it raises,
no row of a partition has been acknowledged before its predecessors.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from shared.contracts.base import Source
from shared.contracts.envelope import written
from shared.eventlog.cursor import Row

BATCH_BYTES = 512 * 1024
REQUEST_TIMEOUT_MS = 10_000


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
        """Send rows in order per partition and wait for all acknowledgements.

        Raises:
            KafkaError: the broker did not take some of them.
        """
        if not rows:
            return
        partitions: dict[int, list[Row]] = defaultdict(list)
        for row in rows:
            partitions[row.partition].append(row)
        async with asyncio.TaskGroup() as group:
            for partition, own in partitions.items():
                group.create_task(self._send(partition, own))

    async def _send(self, partition: int, rows: list[Row]) -> None:
        producer = self._producer
        assert producer is not None, "start() comes before publish()"
        batch = producer.create_batch()
        for row in rows:
            if not self._append(batch, row):
                await self._deliver(producer, batch, partition)
                batch = producer.create_batch()
                self._append(batch, row)
        await self._deliver(producer, batch, partition)

    async def _deliver(self, producer: AIOKafkaProducer, batch: BatchBuilder, partition: int) -> None:
        batch.close()
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
