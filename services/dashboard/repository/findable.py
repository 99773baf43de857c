"""Keyed hashes by which patients are found: a part of the read model, kept beside their facts."""

from collections.abc import Collection, Sequence
from uuid import UUID

import asyncpg

DROP = "delete from findable where patient_id = any($1::uuid[])"
KEEP = """
insert into findable (patient_id, hash) select * from unnest($1::uuid[], $2::bytea[]) on conflict do nothing
"""
FOUND = "select distinct patient_id from findable where hash = any($1::bytea[])"
# Their facts stay as they are until the hashes are there too.
WITHOUT = """
select patient_id, facts from facts f
 where source = 'intake' and patient_id > $1 and (facts ? 'contact' or facts ? 'date_of_birth')
   and not exists (select from findable where findable.patient_id = f.patient_id)
 order by patient_id limit $2 for update
"""


async def replace(conn: asyncpg.Connection, patients: Collection[UUID], hashes: Sequence[tuple[UUID, bytes]]) -> None:
    """Have these patients found by these hashes, and by no others."""
    await conn.execute(DROP, list(patients))
    await conn.execute(KEEP, [patient for patient, _ in hashes], [hashed for _, hashed in hashes])


async def found(conn: asyncpg.Connection, hashes: Collection[bytes]) -> set[UUID]:
    """Whose hash is among these."""
    return {row["patient_id"] for row in await conn.fetch(FOUND, list(hashes))} if hashes else set()


async def without(conn: asyncpg.Connection, after: UUID, limit: int) -> dict[UUID, str]:
    """Patients who could be found and have no hash yet, in order of their ids, locked; intake's facts as JSON."""
    return {row["patient_id"]: row["facts"] for row in await conn.fetch(WITHOUT, after, limit)}
