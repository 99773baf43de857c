"""Who read and who changed what: append-only rows, chained in batches.

The promise: reads of a chart are recorded like writes, in the transaction that reads; a row that is changed, added out
of turn or dropped later breaks the chain, which can't be mended without the clinic's key. Rows hold codes and ids only.
"""

import asyncio
import hashlib
import hmac
import json
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from shared.security.keyring import Keyring
from shared.telemetry.trace import current_traceparent
from shared.uow import UnitOfWork

log = structlog.get_logger()

RECORD = "insert into audit (actor, action, what, subject, detail, trace) values ($1, $2, $3, $4, $5::jsonb, $6)"
# Only one process seals at a time; the others find the lock taken and have nothing to do.
ALONE = "select pg_try_advisory_xact_lock(hashtext(current_schema()), hashtext('audit'))"
LAST = "select id, digest, at from audit_seals order by id desc limit 1"
# Bounded by the last seal's day: no transaction, so no late row, lives that long.
UNSEALED = """
select a.id, a.at::text as at, a.actor, a.action, a.what, a.subject::text as subject, a.detail::text as detail
  from audit a
 where a.at >= coalesce((select max(at) from audit_seals) - interval '1 day', '-infinity')
   and not exists (select from audit_sealed s where s.audit_id = a.id)
 order by a.id limit $1
"""
SEAL = "insert into audit_seals (id, entries, digest) values ($1, $2, $3)"
MARK = "insert into audit_sealed (audit_id, seal_id) select unnest($1::bigint[]), $2"
SEALS = "select id, digest, entries from audit_seals order by id"
SEALED = """
select a.id, a.at::text as at, a.actor, a.action, a.what, a.subject::text as subject, a.detail::text as detail
  from audit_sealed s join audit a on a.id = s.audit_id where s.seal_id = $1 order by a.id
"""
BATCH = 1_000
PAUSE_SECONDS = 30


async def audit(
    uow: UnitOfWork, *, action: str, what: str, subject: UUID | None, detail: dict[str, Any] | None = None
) -> None:
    """Record what the unit of work's actor does ("read", "write", "export", …) with `what` ("chart", "contact", …)."""
    await record(uow.conn, uow.actor, action=action, what=what, subject=subject, detail=detail)


async def record(
    conn: asyncpg.Connection,
    actor: str,
    *,
    action: str,
    what: str,
    subject: UUID | None,
    detail: dict[str, Any] | None = None,
) -> None:
    """The same, where somebody works on the connection itself: an operator's command."""
    await conn.execute(RECORD, actor, action, what, subject, json.dumps(detail or {}), current_traceparent())


async def seal(conn: asyncpg.Connection, keyring: Keyring) -> int:
    """Seal what is not sealed yet, at most a batch; how many rows were sealed. Needs no open transaction."""
    async with conn.transaction():
        if not await conn.fetchval(ALONE):
            return 0
        rows = await conn.fetch(UNSEALED, BATCH)
        if not rows:
            return 0
        last = await conn.fetchrow(LAST)
        number, before = (last["id"] + 1, last["digest"]) if last else (1, b"")
        digest = _digest(keyring, number, before, rows)
        await conn.execute(SEAL, number, len(rows), digest)
        await conn.execute(MARK, [row["id"] for row in rows], number)
    # The log is kept elsewhere: it remembers seals that somebody might cut off the end of the table.
    log.info("audit.sealed", seal=number, entries=len(rows), digest=digest.hex())
    return len(rows)


async def broken_seal(conn: asyncpg.Connection, keyring: Keyring) -> int | None:
    """The number of the first seal that doesn't fit its rows; null when the whole chain holds."""
    before, expected = b"", 1
    for seal_row in await conn.fetch(SEALS):
        rows = await conn.fetch(SEALED, seal_row["id"])
        fits = hmac.compare_digest(_digest(keyring, seal_row["id"], before, rows), seal_row["digest"])
        if seal_row["id"] != expected or seal_row["entries"] != len(rows) or not fits:
            return expected
        before, expected = seal_row["digest"], expected + 1
    return None


async def seal_forever(pool: asyncpg.Pool, keyring: Keyring) -> None:
    """The sealer's loop: a job of every service."""
    while True:
        async with pool.acquire() as conn:
            sealed = await seal(conn, keyring)
        if sealed < BATCH:
            await asyncio.sleep(PAUSE_SECONDS)


def _digest(keyring: Keyring, number: int, before: bytes, rows: list[asyncpg.Record]) -> bytes:
    chain = hmac.new(keyring.lasting("audit"), number.to_bytes(8, "big") + before, hashlib.sha256)
    for row in rows:
        chain.update(json.dumps([row[name] for name in row.keys()]).encode())  # noqa: SIM118
    return chain.digest()
