"""What comes in at the same moment is written together.

A transaction costs as much for one lead as for fifty. So while one is being written the next ones gather, and are
written at once; a single caller waits for nobody. Each is answered after its own commit, as if it had been alone.
Only so many may gather, and only for so long: when the database is slow the others are told to come back.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field

import asyncpg
import structlog

from services.intake.api.edge import attempt
from services.intake.handlers import leads
from services.intake.handlers.leads import Accepted, Arrival
from shared.db.pool import DatabaseBusy
from shared.inbox.trying import LATER
from shared.service import Service

log = structlog.get_logger()
COMPANY = 64
"""Contacts in one transaction at most: about as long as a person's own request may wait for others."""
LANES = 4
"""Transactions at once: one computes while the database writes the others."""
GATHERED = 5_000
"""Contacts that may wait, a few megabytes: ten bulk requests."""
ALONE_TOO = (asyncpg.TransactionRollbackError,)
"""Trouble between this company and somebody else: alone most of them go through."""
Waiting = tuple[Arrival, asyncio.Future[Accepted]]


@dataclass(slots=True)
class Writer:
    """One per service."""

    waiting: deque[Waiting] = field(default_factory=deque)
    lanes: set[asyncio.Task[None]] = field(default_factory=set)

    async def accept(self, service: Service, arrival: Arrival) -> Accepted:
        """Take a contact in; returns after its commit.

        Raises:
            KeyReused: something else was said under this key.
            DatabaseBusy: too many wait, or it took too long. It may still have been taken in: the same key tells.
        """
        if len(self.waiting) >= GATHERED:
            raise DatabaseBusy("too many contacts wait to be written")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Accepted] = loop.create_future()
        self.waiting.append((arrival, answer))
        if len(self.lanes) < LANES:
            lane = asyncio.create_task(self._write(service))
            self.lanes.add(lane)
            lane.add_done_callback(self.lanes.discard)
        patience = loop.call_later(service.settings.database_wait_seconds, _give_up, answer)
        try:
            return await answer
        finally:
            patience.cancel()

    async def _write(self, service: Service) -> None:
        while self.waiting:
            company = [self.waiting.popleft() for _ in range(min(COMPANY, len(self.waiting)))]
            company = [each for each in company if not each[1].done()]
            left = await _together(service, company) if len(company) > 1 else company
            await asyncio.gather(*(_alone(service, arrival, answer) for arrival, answer in left))


def _give_up(answer: asyncio.Future[Accepted]) -> None:
    if not answer.done():
        answer.set_exception(DatabaseBusy("it was not written in time"))


async def _together(service: Service, company: list[Waiting]) -> list[Waiting]:
    """Write the strangers among them; gives those who have to go alone."""
    try:
        async with service.transaction(actor=f"system:{service.name}") as uow:
            done = await leads.accept_strangers(uow, [arrival for arrival, _ in company])
    except Exception as error:  # noqa: BLE001  each hears of it, or goes alone and hears of its own trouble
        log.warning("leads_not_written_together", error=type(error).__name__, count=len(company))
        if isinstance(error, LATER) and not isinstance(error, ALONE_TOO):
            _refuse(company, error)
            return []
        return company
    left = []
    for (arrival, answer), accepted in zip(company, done, strict=True):
        if accepted is None:
            left.append((arrival, answer))
        elif not answer.done():
            answer.set_result(accepted)
    return left


def _refuse(company: list[Waiting], error: Exception) -> None:
    """The world was not ready, for none of them: asking again for each would only add to it."""
    if isinstance(error, asyncpg.LockNotAvailableError):
        error = DatabaseBusy("a lock was not free in time")
    for _, answer in company:
        if not answer.done():
            answer.set_exception(error)


async def _alone(service: Service, arrival: Arrival, answer: asyncio.Future[Accepted]) -> None:
    try:
        accepted = await attempt(
            service, arrival.actor, lambda uow: leads.accept(uow, arrival.contact, arrival.key), arrival.traceparent
        )
    except Exception as error:  # noqa: BLE001  raised where it is awaited
        _refuse([(arrival, answer)], error)
    else:
        if not answer.done():
            answer.set_result(accepted)
