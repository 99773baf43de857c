"""The peer that does what the relay does: faststream-outbox, tuned as well as it can be.

Tuned: claims of 1,000 rows, 64 workers with one delete per 100 rows, no injection and no decoding, aiokafka's own
producer in the handler, which waits for the acknowledgement. Its workers give up the order within a subject; with one
worker, which keeps it, it is slower still.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from faststream_outbox import OutboxBroker, make_outbox_table
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from shared.contracts.envelope import Headers

WORKERS = 64
CLAIM = 1_000
FLUSH = 100
QUEUE = "events"
Message = tuple[int, bytes, bytes, Headers]


class Peer:
    """A table of its own in the database at `dsn`."""

    def __init__(self, dsn: str, topic: str, producer: AIOKafkaProducer) -> None:
        self._topic = topic
        self._producer = producer
        self._engine: AsyncEngine = create_async_engine(
            dsn.replace("postgresql://", "postgresql+asyncpg://"), pool_size=WORKERS + 4
        )
        self._metadata = MetaData()
        self._table = make_outbox_table(self._metadata, table_name="peer_outbox")
        self._ahead = 0
        self._done = asyncio.Event()
        self._broker = OutboxBroker(self._engine, outbox_table=self._table, apply_types=False, logger=None)
        self._broker.subscriber(
            QUEUE,
            max_workers=WORKERS,
            fetch_batch_size=CLAIM,
            min_fetch_interval=0.005,
            max_fetch_interval=0.05,
            terminal_flush_batch_size=FLUSH,
            decoder=_raw,
        )(self._relay)

    async def prepare(self) -> None:
        """Make the table."""
        async with self._engine.begin() as conn:
            await conn.run_sync(self._metadata.create_all)

    async def fill(self, messages: Sequence[Message]) -> None:
        """The rows that are then relayed; their content is what the relay's rows hold."""
        async with self._engine.begin() as conn:
            for start in range(0, len(messages), CLAIM):
                some = messages[start : start + CLAIM]
                await conn.execute(
                    self._table.insert(),
                    [
                        {
                            "queue": QUEUE,
                            "payload": value,
                            "headers": {"key": key.decode(), **{name: text.decode() for name, text in headers}},
                        }
                        for _, key, value, headers in some
                    ],
                )

    async def rate(self, count: int) -> float:
        """Rows a second, from the start to the last acknowledgement."""
        self._ahead = count
        self._done.clear()
        began = time.perf_counter()
        await self._broker.start()
        await self._done.wait()
        seconds = time.perf_counter() - began
        await self._broker.stop()
        return count / seconds

    async def close(self) -> None:
        """Let go of the connections."""
        await self._engine.dispose()

    async def _relay(self, message: Any) -> None:
        body, headers = message
        key = headers["key"].encode()
        await self._producer.send_and_wait(
            self._topic, body, key=key, headers=[(name, text.encode()) for name, text in headers.items()]
        )
        self._ahead -= 1
        if self._ahead == 0:
            self._done.set()


async def _raw(message: Any) -> Any:
    return message.body, message.headers
