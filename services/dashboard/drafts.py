"""A decision between writing and signing.

The promise: only the person who wrote it reads it again, for an hour at most; it is sealed with the patient's key and
gone once it is signed.
"""

from typing import Any
from uuid import UUID

from shared.ids import new_id
from shared.uow import UnitOfWork

KEEP = "insert into drafts (id, patient_id, staff_id, decision) values ($1, $2, $3, $4)"
FIND = """
select patient_id, decision from drafts
 where id = $1 and patient_id = $2 and staff_id = $3 and made_at > now() - interval '1 hour'
"""
DROP = "delete from drafts where id = $1"
SWEEP = "delete from drafts where made_at < now() - interval '1 hour'"


async def keep(uow: UnitOfWork, patient_id: UUID, staff_id: str, decision: dict[str, Any]) -> UUID:
    """Keep a decision that is not signed yet; its id. Sweeps out what nobody signed."""
    await uow.conn.execute(SWEEP)
    draft_id = new_id()
    box = await uow.keys.box(patient_id)
    await uow.conn.execute(KEEP, draft_id, patient_id, staff_id, box.seal_json(decision))
    return draft_id


async def find(uow: UnitOfWork, draft_id: UUID, patient_id: UUID, staff_id: str) -> dict[str, Any] | None:
    """What this person wrote about this patient within the last hour, or None."""
    row = await uow.conn.fetchrow(FIND, draft_id, patient_id, staff_id)
    if row is None:
        return None
    box = await uow.keys.box(patient_id)
    decision: dict[str, Any] = box.open_json(row["decision"])
    return decision


async def drop(uow: UnitOfWork, draft_id: UUID) -> None:
    """It is signed, or no longer wanted."""
    await uow.conn.execute(DROP, draft_id)
