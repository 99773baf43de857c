"""What could not be understood, and who may hand in contacts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

KEEP = """
insert into kept_contacts (id, fingerprint, door, reason, content, received_at) values ($1, $2, $3, $4, $5, $6)
on conflict (fingerprint) do nothing returning id
"""
COLUMNS_OF_KEPT = """
select id, door, reason, content, received_at, resolved_at, resolved_by, outcome, patient_id from kept_contacts
"""
OPEN_KEPT = COLUMNS_OF_KEPT + " where resolved_at is null order by received_at limit $1"
ONE_KEPT = COLUMNS_OF_KEPT + " where id = $1"
LOCK_KEPT = ONE_KEPT + " for update"
RESOLVE = "update kept_contacts set resolved_at = $2, resolved_by = $3, outcome = $4, patient_id = $5 where id = $1"
# A contact that was read turned out to be theirs; its tasks have keys of their own.
FORGET_PATIENT = """
with gone as (update kept_contacts set content = null where patient_id = $1 and content is not null returning id)
select id from gone
union all
select t.id from tasks t join gone on t.subject = gone.id where t.patient_id is null
"""

ADD_KEY = "insert into api_keys (hash, producer) values ($1, $2)"
PRODUCER = "select producer from api_keys where hash = $1 and revoked_at is null"
REVOKE_KEYS = "update api_keys set revoked_at = now() where producer = $1 and revoked_at is null"


@dataclass(frozen=True, slots=True)
class Kept:
    """A row of `kept_contacts`; `content` is sealed with the key of `id`."""

    id: UUID
    door: str
    reason: str
    content: str | None
    received_at: datetime
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    outcome: str | None = None
    patient_id: UUID | None = None


async def keep(conn: asyncpg.Connection, kept: Kept, fingerprint: bytes) -> bool:
    """Keep a contact; False when the very same one is kept already."""
    found = await conn.fetchval(
        KEEP, kept.id, fingerprint, kept.door, kept.reason, kept.content, kept.received_at
    )  # fmt: skip
    return found is not None


async def open_kept(conn: asyncpg.Connection, limit: int) -> Sequence[Kept]:
    """What waits for a person, oldest first."""
    return [Kept(*row.values()) for row in await conn.fetch(OPEN_KEPT, limit)]


async def kept(conn: asyncpg.Connection, kept_id: UUID, *, lock: bool = False) -> Kept | None:
    """One kept contact."""
    row = await conn.fetchrow(LOCK_KEPT if lock else ONE_KEPT, kept_id)
    return None if row is None else Kept(*row.values())


async def resolve(
    conn: asyncpg.Connection, kept_id: UUID, *, by: str, outcome: str, patient_id: UUID | None, at: datetime
) -> None:
    """A person dealt with it."""
    await conn.execute(RESOLVE, kept_id, at, by, outcome, patient_id)


async def forget_patient(conn: asyncpg.Connection, patient_id: UUID) -> Sequence[UUID]:
    """Forget what was kept of a patient. Gives the ids of contacts and tasks whose keys may go."""
    return [row["id"] for row in await conn.fetch(FORGET_PATIENT, patient_id)]


async def add_key(conn: asyncpg.Connection, key_hash: bytes, producer: str) -> None:
    """Let a producer in with the key of this hash."""
    await conn.execute(ADD_KEY, key_hash, producer)


async def revoke_keys(conn: asyncpg.Connection, producer: str) -> int:
    """Let a producer in no longer; how many keys it had."""
    return int((await conn.execute(REVOKE_KEYS, producer)).rpartition(" ")[2])


async def producer(conn: asyncpg.Connection, key_hash: bytes) -> str | None:
    """Whose key this is; None for nobody's."""
    found: str | None = await conn.fetchval(PRODUCER, key_hash)
    return found
