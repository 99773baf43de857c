"""Signed consents; one is current per patient and route."""

from datetime import datetime
from uuid import UUID

import asyncpg

from services.assessment.domain.consents import ConsentText
from services.assessment.rows import ConsentRow
from shared.contracts.assessment import Route

KEEP_TEXT = """
insert into consent_texts (hash, route, version, language, body) values ($1, $2, $3, $4, $5) on conflict do nothing
"""
ADD = """
insert into consents (id, patient_id, route, text_hash, name, signed_at, signed_by, signature)
values ($1, $2, $3, $4, $5, $6, $7, $8)
"""
END = """
update consents set ended_at = $3, ended_by = $4, ended = $5
 where patient_id = $1 and route = $2 and ended_at is null
returning id
"""
ALL = """
select c.id, c.patient_id, c.route, c.text_hash, t.version, t.language, c.name, c.signed_at, c.signed_by, c.signature,
       c.ended_at, c.ended
  from consents c join consent_texts t on t.hash = c.text_hash
 where c.patient_id = $1 order by c.signed_at desc, c.id desc
"""
TEXT = "select body from consent_texts where hash = $1"


async def keep_text(conn: asyncpg.Connection, text: ConsentText) -> None:
    """The words, once."""
    await conn.execute(KEEP_TEXT, text.hash, text.route.value, text.version, text.language, text.body)


async def add(conn: asyncpg.Connection, row: ConsentRow) -> None:
    """The earlier one of this route has been ended before."""
    await conn.execute(
        ADD, row.id, row.patient_id, row.route.value, row.text_hash, row.name, row.signed_at, row.signed_by,
        row.signature,
    )  # fmt: skip


async def end(
    conn: asyncpg.Connection, patient_id: UUID, route: Route, now: datetime, by: str, how: str
) -> UUID | None:
    """End the current one; its id, or None where there is none. `how` is "withdrawn" or "replaced"."""
    found: UUID | None = await conn.fetchval(END, patient_id, route.value, now, by, how)
    return found


async def of_patient(conn: asyncpg.Connection, patient_id: UUID) -> list[ConsentRow]:
    """Newest first, the ended ones included."""
    return [ConsentRow(**(dict(row) | {"route": Route(row["route"])})) for row in await conn.fetch(ALL, patient_id)]


async def text(conn: asyncpg.Connection, text_hash: str) -> str | None:
    """The words behind a hash."""
    found: str | None = await conn.fetchval(TEXT, text_hash)
    return found
