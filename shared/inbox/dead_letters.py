"""What could not be used: kept sealed in the service's schema and on the group's dead-letter topic.

The promise: nothing is swallowed. A record that is given up is in the table before its offset is committed, and its
subject's later events wait in `parked` until somebody replays or drops it.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from shared.consuming import Record
from shared.contracts.envelope import Envelope
from shared.inbox.positions import NUMBER
from shared.security.keyring import Keyring
from shared.security.keys import EMPTY
from shared.security.sealing import open_record, seal_record

# What comes back after it was settled comes from a rebuild, which goes through the past again: a decision to go past it
# still holds, a success does not.
INSERT = """
insert into dead_letters as d
    (fingerprint, source, subject, sequence, type, reason, error, topic, partition, "offset", record)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
on conflict (fingerprint) do update
   set reason = excluded.reason, error = excluded.error,
       failed_at = case when d.resolved_at is null then d.failed_at else excluded.failed_at end,
       wanted = case when d.resolved_at is null then d.wanted when d.resolution = 'dropped' then 'drop' end,
       resolved_at = null, resolution = null, resolved_by = null
"""
WANTED = """
select id, source, subject, sequence, record, topic, partition, "offset", wanted, wanted_by, note from dead_letters
 where resolved_at is null and wanted is not null order by id limit 100
"""
# Of whoever was erased while it waited, it keeps no more than the others do: that it was, not what was in it.
RESOLVE = """
update dead_letters d
   set resolved_at = clock_timestamp(), resolution = $2, resolved_by = $3,
       record = case when exists (select from tombstones t where t.subject = d.subject) then $4 else record end
 where id = $1
"""
REFUSED = "update dead_letters set wanted = null, note = 'failed again' where id = $1"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A dead letter and what a person decided about it."""

    id: UUID
    source: int | None
    subject: UUID | None
    sequence: int | None
    record: Record
    wanted: str
    wanted_by: str


def seal(keyring: Keyring, record: Record) -> str:
    """Raw key, headers and value, sealed with the clinic's key."""

    def text(value: bytes | None) -> str | None:
        return None if value is None else base64.b64encode(value).decode()

    return seal_record(
        keyring,
        json.dumps(
            {
                "key": text(record.key),
                "value": text(record.value),
                "headers": [[name, text(value)] for name, value in record.headers],
            }
        ).encode(),
    )


def unseal(keyring: Keyring, sealed: str, *, topic: str, partition: int, offset: int) -> Record:
    """The record as it came."""
    found = json.loads(open_record(keyring, sealed))

    def raw(value: str | None) -> bytes | None:
        return None if value is None else base64.b64decode(value)

    headers = tuple((str(name), raw(value) or b"") for name, value in found["headers"])
    return Record(topic, partition, offset, raw(found["key"]), raw(found["value"]) or b"", headers)


async def keep(
    conn: asyncpg.Connection, keyring: Keyring, record: Record, envelope: Envelope | None, *, reason: str, error: str
) -> str:
    """Write the row, once per event or record; returns the sealed record for the topic."""
    sealed = seal(keyring, record)
    place = (record.topic, str(record.partition), str(record.offset), hashlib.sha256(record.value).hexdigest())
    identity = str(envelope.id) if envelope else "/".join(place)
    await conn.execute(
        INSERT,
        hashlib.sha256(identity.encode()).digest(),
        NUMBER[envelope.source] if envelope else None,
        envelope.subject if envelope else None,
        envelope.sequence if envelope else None,
        envelope.type if envelope else None,
        reason,
        error[:1_000],
        record.topic,
        record.partition,
        record.offset,
        sealed,
    )
    return sealed


async def wanted(conn: asyncpg.Connection, keyring: Keyring) -> list[Wanted]:
    """What a person wants replayed or dropped."""
    return [
        Wanted(
            row["id"],
            row["source"],
            row["subject"],
            row["sequence"],
            unseal(keyring, row["record"], topic=row["topic"], partition=row["partition"], offset=row["offset"]),
            row["wanted"],
            row["wanted_by"],
        )
        for row in await conn.fetch(WANTED)
    ]


async def resolve(conn: asyncpg.Connection, keyring: Keyring, letter: Wanted) -> None:
    """It has been replayed or dropped."""
    how = "replayed" if letter.wanted == "replay" else "dropped"
    await conn.execute(RESOLVE, letter.id, how, letter.wanted_by, seal_record(keyring, EMPTY))


async def refuse(conn: asyncpg.Connection, letter_id: UUID) -> None:
    """Applying it failed again: it stays, for another decision."""
    await conn.execute(REFUSED, letter_id)
