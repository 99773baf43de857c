"""Who read and who changed what: append-only rows, chained in batches.

The promise: reads of a chart are recorded like writes, in the transaction that reads; a row that is changed, added out
of turn or dropped later breaks the chain, which can't be mended without the clinic's key. Rows hold codes and ids only.
What was cut off the chain's end can't be seen in the chain itself: each seal is told to the log, which is kept
elsewhere, and `examine` compares with what was told there.
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
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
# Bounded by the last seal's day: no transaction, so no late row, lives that long. The seal of each of that day's rows
# is looked up: by `not exists` all that was ever sealed would be read, twice a minute.
UNSEALED = """
select a.id, a.at::text as at, a.actor, a.action, a.what, a.subject::text as subject, a.detail::text as detail
  from audit a
 where a.at >= coalesce((select at from audit_seals order by id desc limit 1) - interval '1 day', '-infinity')
   and (select s.seal_id from audit_sealed s where s.audit_id = a.id) is null
 order by a.id limit $1
"""
SEAL = "insert into audit_seals (id, entries, digest) values ($1, $2, $3)"
MARK = "insert into audit_sealed (audit_id, seal_id) select unnest($1::bigint[]), $2"
SEALS = "select id, digest, entries from audit_seals order by id"
# Row by row: joined, all that was ever audited may be read for each of its seals.
SEALED = """
select a.id, a.at::text as at, a.actor, a.action, a.what, a.subject::text as subject, a.detail::text as detail
  from audit_sealed s
 cross join lateral (select id, at, actor, action, what, subject, detail from audit where id = s.audit_id limit 1) a
 where s.seal_id = $1 order by a.id
"""
# What is older than the sealer's window and has no seal was not there when its turn came.
STRAY = """
select a.id from audit a
 where a.at < (select max(at) from audit_seals) - interval '1 day'
   and not exists (select from audit_sealed s where s.audit_id = a.id)
 order by a.id limit 1
"""
BATCH = 1_000
PAUSE_SECONDS = 30
SEALED_EVENT = "audit.sealed"


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
    log.info(SEALED_EVENT, seal=number, entries=len(rows), digest=digest.hex())
    return len(rows)


What = Literal["changed", "removed", "added", "seal missing", "seal replaced", "cut off"]


@dataclass(frozen=True, slots=True)
class Break:
    """Where the chain breaks: at which seal, and what was done there as far as can be told."""

    seal: int
    what: What

    def __str__(self) -> str:
        return f"seal {self.seal}: {_SENTENCES[self.what]}"


_SENTENCES: dict[What, str] = {
    "changed": "a row that it seals was changed, or the seal was",
    "removed": "rows that it seals were removed",
    "added": "rows were added to what it seals",
    "seal missing": "the seal itself was removed",
    "seal replaced": "it is not the seal that was told to the log",
    "cut off": "it and whatever came after were cut off the end",
}


async def examine(conn: asyncpg.Connection, keyring: Keyring, told: Mapping[int, str] | None = None) -> Break | None:
    """The first place where the chain doesn't hold; null when all of it does.

    `told` is what the log remembers of this service's seals (see `seals_told`): number → digest in hex. Without it a
    chain whose end was cut off looks like a shorter one.
    """
    before, expected, told = b"", 1, told or {}
    for seal_row in await conn.fetch(SEALS):
        if seal_row["id"] != expected:
            return Break(expected, "seal missing")
        rows = await conn.fetch(SEALED, expected)
        if len(rows) != seal_row["entries"]:
            return Break(expected, "removed" if len(rows) < seal_row["entries"] else "added")
        if not hmac.compare_digest(_digest(keyring, expected, before, rows), seal_row["digest"]):
            return Break(expected, "changed")
        if told.get(expected, seal_row["digest"].hex()) != seal_row["digest"].hex():
            return Break(expected, "seal replaced")
        before, expected = seal_row["digest"], expected + 1
    if any(number >= expected for number in told):
        return Break(expected, "cut off")
    return Break(expected, "added") if await conn.fetchval(STRAY) is not None else None


def seals_told(lines: Iterable[str]) -> dict[str, dict[int, str]]:
    """What services told their log of their seals: service → number → digest in hex. Other lines are passed over."""
    found: dict[str, dict[int, str]] = {}
    for line in lines:
        if SEALED_EVENT not in line:
            continue
        try:
            said = json.loads(line)
            found.setdefault(str(said["service"]), {})[int(said["seal"])] = str(said["digest"])
        except (ValueError, KeyError, TypeError):
            continue
    return found


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
