"""SQL: handing messages over to Twilio and SMTP. Leases and waits are the database's own time."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from services.notifications.domain.delivery import State
from services.notifications.repository.messages import COLUMNS, message
from services.notifications.rows import MessageRow

# One that is already `sending` was left behind: nobody knows whether it went out.
_CLAIM = """
with due as (
    select id as due_id, state = 'sending' as unsure from messages
     where (state = 'ready' and not_before <= now()) or (state = 'sending' and lease_until <= now())
     order by coalesce(not_before, lease_until) limit $1 for update skip locked)
update messages m set state = 'sending', attempts = attempts + 1, lease_until = now() + $2,
       first_try_at = coalesce(first_try_at, $3)
  from due where m.id = due.due_id
returning due.unsure,
"""
CLAIM = _CLAIM + COLUMNS
WRITE = "update messages set subject_line = $2, body = $3, recipient = $4 where id = $1"
# Its words are written anew when it goes: what they say may have changed by then.
BACK = """
update messages set state = 'ready', not_before = now() + $2, lease_until = null, subject_line = null, body = null
 where id = $1 and state = 'sending'
"""
UNSURE = "update messages set lease_until = now() + $2 where id = $1 and state = 'sending'"
# Until its timer: by nothing that the delivery loop counts. Its words are written when it goes.
HOLD = """
update messages set state = 'ready', not_before = 'infinity', lease_until = null, attempts = attempts - 1,
       subject_line = null, body = null
 where id = $1 and state = 'sending'
"""
# Somebody may have sent it: its words stay, to be looked up by.
HOLD_UNSURE = (
    "update messages set lease_until = 'infinity', attempts = attempts - 1 where id = $1 and state = 'sending'"
)
OVERTAKE = "update messages set reason = $2 where id = $1 and state = 'sending'"
RESUME = """
update messages set not_before = case when state = 'ready' then now() end,
       lease_until = case when state = 'sending' then now() end
 where id = $1
   and ((state = 'ready' and not_before = 'infinity') or (state = 'sending' and lease_until = 'infinity'))
"""
NOTE = """
update messages set state = $2, vendor_id = coalesce($3, vendor_id), reason = $4, lease_until = null,
       sent_at = coalesce(sent_at, case when $2 in ('sent', 'delivered') then $5::timestamptz end),
       delivered_at = case when $2 = 'delivered' then $5::timestamptz else delivered_at end
 where id = $1
"""
WITH_HOST = """
update messages set state = $2, reason = $3, sent_at = coalesce(sent_at, case when $2 = 'sent' then $4::timestamptz end)
 where carried_by = $1 and state in ('ready', 'sent')
returning id
"""
KNOWN_VENDOR_IDS = "select vendor_id from messages where vendor_id = any($1) and id <> $2"
BY_VENDOR_ID = "select id from messages where vendor_id = $1"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that is ours to send until its lease ends. `unsure`: somebody may have sent it already."""

    row: MessageRow
    unsure: bool


async def claim(conn: asyncpg.Connection, limit: int, lease: timedelta, now: datetime) -> list[Claimed]:
    """Take messages that may go; their attempts are counted and their lease begins. `now`: business time."""
    claimed: list[Claimed] = []
    for row in await conn.fetch(CLAIM, limit, lease, now):
        values = dict(row)
        unsure = values.pop("unsure")
        claimed.append(Claimed(message(values), unsure))
    return claimed


async def write(
    conn: asyncpg.Connection, message_id: UUID, subject_line: str | None, body: str, recipient: str
) -> None:
    """The very words, sealed, before they go."""
    await conn.execute(WRITE, message_id, subject_line, body, recipient)


async def back(conn: asyncpg.Connection, message_id: UUID, wait: timedelta) -> None:
    """It certainly did not go: again after this long."""
    await conn.execute(BACK, message_id, wait)


async def unsure(conn: asyncpg.Connection, message_id: UUID, wait: timedelta) -> None:
    """Nobody knows whether it went: look it up after this long."""
    await conn.execute(UNSURE, message_id, wait)


async def hold(conn: asyncpg.Connection, message_id: UUID, *, unsure: bool) -> None:
    """Not at this hour: until `resume`. The try that was claimed for it did not take place."""
    await conn.execute(HOLD_UNSURE if unsure else HOLD, message_id)


async def overtake(conn: asyncpg.Connection, message_id: UUID, reason: str) -> None:
    """Nobody knows whether it went; again it must not."""
    await conn.execute(OVERTAKE, message_id, reason)


async def resume(conn: asyncpg.Connection, message_id: UUID) -> bool:
    """One that was held may go now; False when it was not, or has been settled meanwhile."""
    return bool(await conn.execute(RESUME, message_id) == "UPDATE 1")


async def note(
    conn: asyncpg.Connection,
    message_id: UUID,
    *,
    state: State,
    vendor_id: str | None,
    reason: str | None,
    at: datetime,
) -> None:
    """What became of it; `at` is business time."""
    await conn.execute(NOTE, message_id, str(state), vendor_id, reason, at)


async def note_carried(
    conn: asyncpg.Connection, host: UUID, *, state: State, reason: str | None, at: datetime
) -> list[UUID]:
    """What travelled inside it shares its fate."""
    told = State.SENT if state in (State.SENT, State.DELIVERED) else state
    return [row["id"] for row in await conn.fetch(WITH_HOST, host, str(told), reason, at)]


async def known_vendor_ids(conn: asyncpg.Connection, ids: Collection[str], but: UUID) -> set[str]:
    """Which of these belong to other messages of ours."""
    return {row["vendor_id"] for row in await conn.fetch(KNOWN_VENDOR_IDS, list(ids), but)}


async def by_vendor_id(conn: asyncpg.Connection, vendor_id: str) -> UUID | None:
    """Our message that the vendor knows under this id."""
    found: UUID | None = await conn.fetchval(BY_VENDOR_ID, vendor_id)
    return found
