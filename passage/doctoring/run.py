"""All of `passage doctor`, in the order in which it is told."""

import asyncio

from passage.context import NotConfigured, connected, settings_of
from passage.doctoring import events, house, processes
from passage.telling import Finding, Level


async def doctor(owner: str) -> list[Finding]:
    """Look at everything; what cannot be looked at is a finding too."""
    answers, (broker, unread) = await asyncio.gather(processes.services(), processes.broker())
    found = [*(one.finding for one in answers), broker]
    try:
        async with connected(owner) as connection:
            found.append(await processes.clocks(connection, answers))
            found += await events.outboxes(connection)
            found += await events.lag(connection, unread)
            for look in (events.letters, events.parked, events.timers):
                found += await look(connection)
            for look in (house.transactions, house.storage, house.partitions, house.sealing):
                found += await look(connection)
            found += await house.backups(connection, settings_of("intake").environment)
    except NotConfigured as error:
        found.append(Finding(Level.ACT, "database", str(error), "start it first: everything else waits for it"))
    return found
