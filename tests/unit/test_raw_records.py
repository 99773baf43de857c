"""Records that are no events, many at once: each partition's in order, and nothing is still written when one fails."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shared.consuming import Consumes, Record
from shared.errors import Transient
from shared.inbox.handling import Handling
from shared.inbox.trying import SHARES

TOPIC = "somebodys.records.v1"
RECORDS = [Record(TOPIC, n % 7, n // 7, None, b"", ()) for n in range(1_000)]


class Reader:
    """A service that takes such records together; `fails` says for which of them the world is not ready."""

    def __init__(self, fails: Any = lambda _record: False) -> None:
        self.seen: dict[int, list[int]] = defaultdict(list)
        self.open = self.most_open = 0
        consumes = Consumes()
        consumes.raw(TOPIC, together=self._together)(self._alone)
        self._fails = fails
        self.handling = Handling("intake", consumes, self._opened, None, None)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Any]:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            yield None
        finally:
            self.open -= 1

    async def _together(self, _uow: Any, records: Sequence[Record]) -> Sequence[Record]:
        for record in records:
            await asyncio.sleep(0)
            if self._fails(record):
                raise Transient("not now")
            self.seen[record.partition].append(record.offset)
        return []

    async def _alone(self, _uow: Any, record: Record) -> None:
        raise AssertionError(record)


async def test_each_partition_is_taken_in_its_order_and_several_at_a_time():
    reader = Reader()
    await reader.handling.handle(RECORDS)
    assert reader.most_open == SHARES
    for partition, offsets in reader.seen.items():
        assert offsets == [record.offset for record in RECORDS if record.partition == partition]


async def test_trouble_of_one_is_told_when_the_others_have_ended():
    reader = Reader(fails=lambda record: record.partition == 1)
    with pytest.raises(Transient):
        await reader.handling.handle(RECORDS)
    assert reader.open == 0
    assert all(len(reader.seen[partition]) == len(RECORDS[partition::7]) for partition in (0, 2, 3, 5, 6))
