"""Building the dashboard's read model anew from the producers' logs: all of it, or one patient's part.

The promise: rows and positions go in one transaction, so nothing is applied to half of it; the relays are asked for the
events in the same transaction. While it is being built the board shows less; nothing can be lost, because nothing here
is true by itself.
"""

from uuid import UUID

import asyncpg

from passage.context import NotConfigured, connected, operator
from shared.contracts.base import SOURCES
from shared.db.migrate import fill

_FORGET_ALL = """
truncate dashboard.facts, dashboard.story, dashboard.aliases, dashboard.work, dashboard.findable, dashboard.changes,
         dashboard.inbox, dashboard.parked, dashboard.patient_keys, dashboard.tombstones
"""
# First the positions, which the consumer locks first too.
_FORGET = (
    "delete from dashboard.inbox where subject = $1",
    "delete from dashboard.parked where subject = $1",
    "delete from dashboard.facts where patient_id = $1",
    "delete from dashboard.story where subject = $1 or patient_id = $1",
    "delete from dashboard.findable where patient_id = $1",
    "delete from dashboard.work where subject = $1 or patient_id = $1",
    "delete from dashboard.aliases where patient_id = $1",
    "delete from dashboard.patient_keys where subject = $1",
    "delete from dashboard.tombstones where subject = $1",
)
_ASK_ALL = "insert into {source}.replay_requests (from_at, requested_by) values ('-infinity', $1)"
_ASK = "insert into {source}.replay_requests (subject, requested_by) values ($1, $2)"
_ARCHIVED = """
select exists (select from {source}.event_log_archive where events > 0)
   and ($1::uuid is null
        or exists (select from {source}.streams s where s.subject = $1
                      and not exists (select from {source}.event_log e where e.subject = $1 and e.sequence = 1)))
"""
_PATIENCE = "set local lock_timeout = '30s'"


async def rebuild(owner: str, subject: UUID | None) -> None:
    """Forget, and ask for the events again; the running dashboard takes them in as they come.

    Raises:
        NotConfigured: some of the events were archived: nothing is forgotten that could not be built again.
    """
    async with connected(owner) as connection, connection.transaction():
        await connection.execute(_PATIENCE)
        for source in SOURCES:
            if await connection.fetchval(fill(_ARCHIVED, source=source), subject):
                raise NotConfigured(
                    f"some of {source}'s events were archived: bring these months back first with "
                    "`passage archive FOLDER --restore MONTH`, or mend the rows by hand"
                )
        await (_everything(connection) if subject is None else _one(connection, subject))


async def _everything(connection: asyncpg.Connection) -> None:
    await connection.execute(_FORGET_ALL)
    for source in SOURCES:
        await connection.execute(fill(_ASK_ALL, source=source), operator())


async def _one(connection: asyncpg.Connection, subject: UUID) -> None:
    for statement in _FORGET:
        await connection.execute(statement, subject)
    for source in SOURCES:
        await connection.execute(fill(_ASK, source=source), subject, operator())
