"""Records that are no events, handed over as they came: to who takes many at once, or one by one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from shared.consuming import Consumes, Record
from shared.errors import Permanent
from shared.inbox.applying import Open
from shared.inbox.trying import LATER, RETRY_SECONDS, SHARES, WORTH_SHARING, all_to_their_end

log = structlog.get_logger()
COMPANY = 100
"""Records in one transaction at most: about as long as other work of this process may wait for them."""
GiveUp = Callable[[Record, None, str, str], Awaitable[None]]
"""Put a record among the dead letters, with the reason and what was wrong."""


class RawRecords:
    """One service's. `opened` opens a transaction with a unit of work."""

    def __init__(self, consumes: Consumes, opened: Open, give_up: GiveUp) -> None:
        self._consumes = consumes
        self._open = opened
        self._give_up = give_up

    async def abreast(self, topic: str, records: Sequence[Record]) -> None:
        """Hand over records that are no events; of many, those of a partition in their order beside those of others."""
        if len(records) < WORTH_SHARING:
            await self._in_turn(topic, records)
            return
        shares: list[list[Record]] = [[] for _ in range(SHARES)]
        for record in records:
            shares[record.partition % SHARES].append(record)
        await all_to_their_end(self._in_turn(topic, share) for share in shares)

    async def _in_turn(self, topic: str, records: Sequence[Record]) -> None:
        """Hand over records that are no events: many at once where the service can, else one by one."""
        together = self._consumes.together.get(topic)
        for start in range(0, len(records), COMPANY):
            left = company = records[start : start + COMPANY]
            if together is not None and len(company) > 1:
                try:
                    async with self._open() as uow:
                        left = await together(uow, company)
                except LATER:
                    raise
                except Exception as error:  # noqa: BLE001 - each then goes alone and meets its own trouble
                    log.warning("records_not_taken_together", topic=topic, error=type(error).__name__)
                    left = company
            for record in left:
                await self.alone(record)

    async def alone(self, record: Record) -> bool:
        """Hand over a record that is no event; False when it was given up."""
        handler = self._consumes.raw_handlers[record.topic]
        for pause in (*RETRY_SECONDS, None):
            try:
                async with self._open() as uow:
                    await handler(uow, record)
            except LATER:
                raise
            except Exception as error:
                if pause is None or isinstance(error, Permanent):
                    await self._give_up(record, None, "permanent", type(error).__name__)
                    log.error("record_given_up", topic=record.topic, exc_info=error)
                    break
                await asyncio.sleep(pause)
            else:
                return True
        return False
