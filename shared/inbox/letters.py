"""Dead letters as people see them: what waits, what is in one, and what somebody decided. The service does it then.

The promise: what was sealed for a patient stays sealed, a patient's key is never shown, and what somebody wrote by
another door than an event is not shown at all. Every look and every decision is on record.
"""

import json
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict

from shared.audit import record
from shared.contracts.base import SOURCES
from shared.contracts.topics import CONTROL, events_of
from shared.inbox.dead_letters import unseal
from shared.inbox.positions import NAME
from shared.security.keyring import Keyring
from shared.security.sealing import PATIENT, open_record, seal_record

Decision = Literal["replay", "drop"]
SHOWN = 4_000
SEALED = "(sealed)"
KEY = "(a patient's key)"
# Bodies of these topics are the program's own; what comes by others is what somebody wrote.
OURS = frozenset({*map(events_of, SOURCES), CONTROL})
_REASONS = "dead-letter-reasons"

_OPEN = """
select id, failed_at, source, subject, sequence, type, reason, error, topic, partition, "offset", wanted, wanted_by,
       note, because
  from dead_letters where resolved_at is null order by failed_at, id limit $1
"""
_ONE = """
select id, failed_at, source, subject, sequence, type, reason, error, topic, partition, "offset", wanted, wanted_by,
       note, because, record, resolution
  from dead_letters where id = $1
"""
# The letter's own error stays; "failed again" belonged to the decision before.
_DECIDE = """
update dead_letters set wanted = $2, wanted_by = $3, because = $4, note = null where id = $1 and resolved_at is null
returning type, subject
"""
_REPLAY_ALL = """
update dead_letters set wanted = 'replay', wanted_by = $1, note = null
 where resolved_at is null and wanted is null and ($2::text is null or split_part(type, '.', 3) = $2)
returning id
"""
_BEHIND = """
select count(*) from parked where source = $1 and subject = $2 and sequence > $3
"""


class DeadLetter(BaseModel):
    """What a service could not use. `source` to `type` are null where it is no event.

    `wanted` (`replay`, `drop`) is what somebody decided and the service has not done yet; `note` says that it failed
    again since.
    """

    model_config = ConfigDict(frozen=True)

    id: UUID
    failed_at: datetime
    source: str | None
    subject: UUID | None
    sequence: int | None
    type: str | None
    reason: str
    error: str
    topic: str
    partition: int
    offset: int
    wanted: str | None
    wanted_by: str | None
    note: str | None
    because: str | None


class OpenedLetter(DeadLetter):
    """With what is in it: `body` is JSON in which sealed words stay sealed, or text; null where it isn't shown.

    `size` is in bytes; `waiting` counts the events of the same subject that wait behind it; `resolution` (`replayed`,
    `dropped`) is null while it waits.
    """

    key: str
    headers: dict[str, str]
    body: Any
    size: int
    waiting: int
    resolution: str | None


async def waiting(conn: asyncpg.Connection, keyring: Keyring, limit: int = 200) -> list[DeadLetter]:
    """What nobody has settled, oldest first."""
    return [DeadLetter(**_told(keyring, row)) for row in await conn.fetch(_OPEN, limit)]


async def look(conn: asyncpg.Connection, keyring: Keyring, letter_id: UUID, *, actor: str) -> OpenedLetter | None:
    """One letter, opened as far as people may see it; None where there is no such letter. The look is on record."""
    row = await conn.fetchrow(_ONE, letter_id)
    if row is None:
        return None
    raw = unseal(keyring, row["record"], topic=row["topic"], partition=row["partition"], offset=row["offset"])
    behind = await conn.fetchval(_BEHIND, row["source"], row["subject"], row["sequence"])
    await record(
        conn, actor, action="read", what="dead-letter", subject=row["subject"], detail={"letter": str(letter_id)}
    )
    return OpenedLetter(
        **_told(keyring, row),
        key="" if raw.key is None else _text(raw.key),
        headers={name: _text(value) for name, value in raw.headers},
        body=_readable(raw.value) if row["topic"] in OURS else None,
        size=len(raw.value),
        waiting=behind,
        resolution=row["resolution"],
    )


async def decide(
    conn: asyncpg.Connection, keyring: Keyring, letter_id: UUID, wanted: Decision, *, actor: str, because: str = ""
) -> bool:
    """Have the running service apply a letter again, or go past it; False where nothing of that id waits."""
    sealed = seal_record(keyring, because.encode(), purpose=_REASONS) if because else None
    row = await conn.fetchrow(_DECIDE, letter_id, wanted, actor, sealed)
    if row is None:
        return False
    await record(
        conn, actor, action=wanted, what="dead-letter", subject=row["subject"], detail={"letter": str(letter_id)}
    )
    return True


async def replay_all(conn: asyncpg.Connection, *, actor: str, event: str | None = None) -> int:
    """Have the running service apply again whatever nobody has decided on, of one event or of all; how many."""
    ids = [str(row["id"]) for row in await conn.fetch(_REPLAY_ALL, actor, event)]
    if ids:
        await record(conn, actor, action="replay", what="dead-letter", subject=None, detail={"letters": ids[:100]})
    return len(ids)


def _told(keyring: Keyring, row: asyncpg.Record) -> dict[str, Any]:
    """The fields of a DeadLetter."""
    source, sealed = row["source"], row["because"]
    return {
        **{name: row[name] for name in DeadLetter.model_fields},
        "source": None if source is None else NAME[source],
        "because": None if sealed is None else open_record(keyring, sealed, purpose=_REASONS).decode(),
    }


def _readable(value: bytes) -> Any:
    try:
        return _without_secrets(json.loads(value))
    except ValueError:
        return _text(value)


def _without_secrets(value: Any) -> Any:
    match value:
        case {"kid": _, "wrapped": _}:
            return KEY
        case dict():
            return {name: _without_secrets(one) for name, one in value.items()}
        case list():
            return [_without_secrets(one) for one in value]
        case str() if value.startswith(PATIENT):
            return SEALED
        case _:
            return value


def _text(value: bytes) -> str:
    return value[:SHOWN].decode("utf-8", "backslashreplace").replace("\x00", "\\x00")
