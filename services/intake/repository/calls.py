"""Telephone calls until they are settled."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import asyncpg

OPEN = """
insert into calls (sid, id, caller, trusted, started_at) values ($1, $2, $3, $4, $5) on conflict (sid) do nothing
returning true
"""
CALL = "select sid, id, caller, trusted, settled from calls where sid = $1 for update"
CALL_BY_ID = "select sid, id, caller, trusted, settled from calls where id = $1 for update"
SETTLE = "update calls set settled = $2, settled_at = $3, caller = null where sid = $1"
FORGET = "delete from calls where started_at < now() - $1::interval and settled is not null"

How = Literal["voicemail", "missed"]


@dataclass(frozen=True, slots=True)
class Call:
    """A row of `calls`; `caller` is sealed with the key of `id`."""

    sid: bytes
    id: UUID
    caller: str | None
    trusted: bool
    settled: str | None = None


async def open_call(conn: asyncpg.Connection, call: Call, at: datetime) -> bool:
    """Write down that somebody calls; False when it is known."""
    return bool(await conn.fetchval(OPEN, call.sid, call.id, call.caller, call.trusted, at))


async def call(conn: asyncpg.Connection, sid: bytes) -> Call | None:
    """A call by the vendor's id, locked."""
    row = await conn.fetchrow(CALL, sid)
    return None if row is None else Call(*row.values())


async def call_by_id(conn: asyncpg.Connection, call_id: UUID) -> Call | None:
    """A call by its own id, locked."""
    row = await conn.fetchrow(CALL_BY_ID, call_id)
    return None if row is None else Call(*row.values())


async def settle(conn: asyncpg.Connection, sid: bytes, how: How, at: datetime) -> None:
    """What became of it; the number is with the patient, or kept, from now on."""
    await conn.execute(SETTLE, sid, how, at)


async def forget(conn: asyncpg.Connection, older_than: timedelta) -> None:
    """Forget settled calls."""
    await conn.execute(FORGET, older_than)
