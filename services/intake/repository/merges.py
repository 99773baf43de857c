"""Two records of one person: whom an id means, and whose an address was before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

# What a merge takes, contacts take first: the addresses in the order in which they claim them, then the people.
LOCK_POINTS = "select from contact_points where patient_id = any($1::uuid[]) order by kind, hash for update"
LOCK_PATIENTS = "select id, merged_into from patients where id = any($1::uuid[]) order by id for update"
MEANT = "select coalesce(merged_into, id) from patients where id = $1"
MERGED = "select id, merged_at, merged_by from patients where merged_into = $1 order by merged_at, id"
MERGE = "update patients set merged_into = $2, merged_at = $3, merged_by = $4, updated_at = $3 where id = $1"
UNMERGE = """
update patients set merged_into = null, merged_at = null, merged_by = null, updated_at = $2 where id = $1
"""
MOVE_POINTS = "update contact_points set patient_id = $2, merged_from = $1 where patient_id = $1"
RETURN_POINTS = """
update contact_points set patient_id = $1, merged_from = null where merged_from = $1 returning kind, hash
"""
WHOSE_PHONE_BEFORE = "select merged_from from contact_points where kind = 'phone' and hash = $1"


@dataclass(frozen=True, slots=True)
class Merged:
    """Somebody who was merged into another, when, and by whom."""

    patient_id: UUID
    at: datetime
    by: str


async def lock(conn: asyncpg.Connection, *patients: UUID) -> dict[UUID, UUID | None]:
    """Hold these people and their addresses until the transaction ends. Gives into whom each is merged."""
    await conn.execute(LOCK_POINTS, list(patients))
    return {row["id"]: row["merged_into"] for row in await conn.fetch(LOCK_PATIENTS, list(patients))}


async def meant(conn: asyncpg.Connection, patient_id: UUID) -> UUID:
    """Whom this id means: who they turned out to be, or themselves."""
    found: UUID | None = await conn.fetchval(MEANT, patient_id)
    return found or patient_id


async def merged_into(conn: asyncpg.Connection, patient_id: UUID) -> Sequence[Merged]:
    """Who was merged into them, the first first."""
    return [Merged(*row.values()) for row in await conn.fetch(MERGED, patient_id)]


async def merge(conn: asyncpg.Connection, absorbed: UUID, into: UUID, *, by: str, at: datetime) -> None:
    """`absorbed` means `into` from now on, and whoever writes from their addresses is `into`."""
    await conn.execute(MERGE, absorbed, into, at, by)
    await conn.execute(MOVE_POINTS, absorbed, into)


async def unmerge(conn: asyncpg.Connection, absorbed: UUID, *, at: datetime) -> set[tuple[str, bytes]]:
    """`absorbed` means themselves again, and has their addresses back; gives the kinds and hashes of those."""
    await conn.execute(UNMERGE, absorbed, at)
    return {(row["kind"], row["hash"]) for row in await conn.fetch(RETURN_POINTS, absorbed)}


async def whose_phone_before(conn: asyncpg.Connection, phone: bytes) -> UUID | None:
    """Whose number it was before they were merged into another."""
    found: UUID | None = await conn.fetchval(WHOSE_PHONE_BEFORE, phone)
    return found
