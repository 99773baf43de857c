"""SQL: open questions."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import asyncpg

from services.notifications.rows import Question

ASK = """
insert into questions (id, patient_id, kind, visit_id, message_id, asked_at) values ($1, $2, $3, $4, $5, $6)
"""
SUPERSEDE = """
update questions set closed_at = $3, meaning = 'asked_again' where visit_id = $1 and kind = $2 and closed_at is null
"""
OPEN = """
select id, patient_id, kind, visit_id, asked_at from questions
 where patient_id = any($1) and closed_at is null order by asked_at desc, id desc for update
"""
OPEN_OF_VISIT = "select id from questions where visit_id = $1 and kind = $2 and closed_at is null for update"
CLOSE = "update questions set closed_at = $2, meaning = $3 where id = $1"
CLOSE_OF_VISIT = """
update questions set closed_at = $2, meaning = $3 where visit_id = $1 and closed_at is null
"""


async def ask(
    conn: asyncpg.Connection,
    *,
    question_id: UUID,
    patient_id: UUID,
    kind: str,
    visit_id: UUID,
    message_id: UUID | None,
    at: datetime,
) -> None:
    """The newest question about a visit replaces the one before."""
    await conn.execute(SUPERSEDE, visit_id, kind, at)
    await conn.execute(ASK, question_id, patient_id, kind, visit_id, message_id, at)


async def open_of(conn: asyncpg.Connection, patient_ids: Collection[UUID]) -> list[Question]:
    """What these patients were asked and have not answered, the newest first."""
    rows = await conn.fetch(OPEN, list(patient_ids))
    return [Question(row["id"], row["patient_id"], row["kind"], row["visit_id"], row["asked_at"]) for row in rows]


async def open_of_visit(conn: asyncpg.Connection, visit_id: UUID, kind: str) -> UUID | None:
    """What was asked about a visit and has no answer yet."""
    found: UUID | None = await conn.fetchval(OPEN_OF_VISIT, visit_id, kind)
    return found


async def close(conn: asyncpg.Connection, question_id: UUID, *, at: datetime, meaning: str) -> None:
    """It is answered."""
    await conn.execute(CLOSE, question_id, at, meaning)


async def close_of_visit(conn: asyncpg.Connection, visit_id: UUID, *, at: datetime, meaning: str) -> None:
    """Nobody needs to answer any more."""
    await conn.execute(CLOSE_OF_VISIT, visit_id, at, meaning)
