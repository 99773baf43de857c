"""What comes in at the same moment is written together.

A transaction costs as much for one lead as for fifty. So while one is being written the next ones gather, and are
written at once; a single caller waits for nobody. Each is answered after its own commit, as if it had been alone.
"""

import asyncio
from dataclasses import dataclass, field

import structlog

from services.intake.api.edge import attempt
from services.intake.handlers import leads
from services.intake.handlers.leads import Accepted, Arrival
from shared.service import Service

log = structlog.get_logger()
COMPANY = 64
"""Contacts in one transaction at most: about as long as a person's own request may wait for others."""
LANES = 2
"""Transactions at once: one computes while the database writes the other."""


@dataclass(slots=True)
class Writer:
    """One per service."""

    waiting: list[tuple[Arrival, asyncio.Future[Accepted]]] = field(default_factory=list)
    lanes: set[asyncio.Task[None]] = field(default_factory=set)

    async def accept(self, service: Service, arrival: Arrival) -> Accepted:
        """Take a contact in; returns after its commit.

        Raises:
            KeyReused: something else was said under this key.
        """
        answer: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()
        self.waiting.append((arrival, answer))
        if len(self.lanes) < LANES:
            lane = asyncio.create_task(self._write(service))
            self.lanes.add(lane)
            lane.add_done_callback(self.lanes.discard)
        return await answer

    async def _write(self, service: Service) -> None:
        while self.waiting:
            company, self.waiting = self.waiting[:COMPANY], self.waiting[COMPANY:]
            left = await _together(service, company) if len(company) > 1 else company
            await asyncio.gather(*(_alone(service, arrival, answer) for arrival, answer in left))


async def _together(
    service: Service, company: list[tuple[Arrival, asyncio.Future[Accepted]]]
) -> list[tuple[Arrival, asyncio.Future[Accepted]]]:
    """Write the strangers among them; gives those who have to go alone."""
    try:
        async with service.transaction(actor=f"system:{service.name}") as uow:
            done = await leads.accept_strangers(uow, [arrival for arrival, _ in company])
    except Exception as error:  # noqa: BLE001  each then goes alone and hears of its own trouble
        log.warning("leads_not_written_together", error=type(error).__name__, count=len(company))
        return company
    left = []
    for (arrival, answer), accepted in zip(company, done, strict=True):
        if accepted is None:
            left.append((arrival, answer))
        elif not answer.done():
            answer.set_result(accepted)
    return left


async def _alone(service: Service, arrival: Arrival, answer: asyncio.Future[Accepted]) -> None:
    try:
        accepted = await attempt(
            service, arrival.actor, lambda uow: leads.accept(uow, arrival.contact, arrival.key), arrival.traceparent
        )
    except Exception as error:  # noqa: BLE001  raised where it is awaited
        if not answer.done():
            answer.set_exception(error)
    else:
        if not answer.done():
            answer.set_result(accepted)
