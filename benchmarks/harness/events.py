"""An event log filled the way services fill it: by `append`, in transactions, with bodies of the usual size."""

from collections.abc import Iterable, Sequence
from itertools import islice
from uuid import UUID

import asyncpg

from shared.contracts.base import Event
from shared.contracts.intake import LeadUpdated
from shared.eventlog.log import Origin, Pending, append
from shared.ids import new_id
from tests.support.world import World

PER_TRANSACTION = 1_000
NOW = "select clock_timestamp()"


def some_event(patient: UUID) -> LeadUpdated:
    """An event of about 300 bytes with its envelope, that any consumer passes by or takes in without side effects."""
    return LeadUpdated(patient_id=patient, changed=("language",), language="es")


async def fill(world: World, events: Iterable[Event], *, source: str = "intake") -> int:
    """Append events to a producer's log, a thousand a transaction; how many there were."""
    rest, total = iter(events), 0
    async with world.connection(source) as conn:
        origin = Origin(source, await conn.fetchval(NOW), "patient", new_id())
        while some := [Pending(event, origin) for event in islice(rest, PER_TRANSACTION)]:
            async with conn.transaction():
                await append(conn, some)
            total += len(some)
    return total


async def fill_updates(world: World, count: int, *, subjects: int) -> Sequence[UUID]:
    """`count` events of `subjects` patients in intake's log, the patients in turn."""
    patients = [new_id() for _ in range(subjects)]
    await fill(world, (some_event(patients[number % subjects]) for number in range(count)))
    return patients


async def forget(conn: asyncpg.Connection, *, schema: str = "intake") -> None:
    """Empty a producer's log and put its relay back to the beginning, as the owner."""
    await conn.execute(FORGET.format(schema=schema))


FORGET = """
truncate {schema}.event_log, {schema}.streams;
update {schema}.relay set cursor = '3:3:', cursor_at = '-infinity', upper = null, upper_at = null, after_id = 0
"""
