"""What people allow, in which words, and which numbers must not be texted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from shared.contracts.intake import Channel, ConsentKind

CONSENTS = "select kind from consents where patient_id = $1 and given"
GIVE_CONSENTS = """
with given as (
    select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
        as g(patient_id, kind, hash, version, language, channel, words)
), kept as (
    insert into consent_texts (hash, kind, version, language, words)
    select distinct on (hash) hash, kind, version, language, words from given order by hash
    on conflict do nothing
)
insert into consents (patient_id, kind, given, text_hash, text_version, language, channel, changed_at)
select patient_id, kind, true, hash, version, language, channel, $8 from given
on conflict (patient_id, kind) do update set given = true, text_hash = excluded.text_hash,
    text_version = excluded.text_version, language = excluded.language, channel = excluded.channel,
    changed_at = excluded.changed_at
"""
REVOKE_CONSENT = """
insert into consents (patient_id, kind, given, channel, changed_at) values ($1, $2, false, $3, $4)
on conflict (patient_id, kind) do update set given = false, text_hash = null, text_version = null, language = null,
    channel = excluded.channel, changed_at = excluded.changed_at
"""
OPT_OUT = """
insert into opt_outs (phone_hash, opted_out_at) values ($1, $2)
on conflict (phone_hash) do update set opted_out_at = excluded.opted_out_at, opted_in_at = null
"""
OPT_IN = "update opt_outs set opted_in_at = $2 where phone_hash = $1 and opted_in_at is null"
IS_OPTED_OUT = "select exists (select from opt_outs where phone_hash = $1 and opted_in_at is null)"


@dataclass(frozen=True, slots=True)
class ConsentText:
    """The words that somebody agrees to. `hash` is the SHA-256 of `words` in hex."""

    kind: ConsentKind
    version: str
    language: str
    words: str
    hash: str


@dataclass(frozen=True, slots=True)
class Agreed:
    """Somebody agreed to a text, through a channel."""

    patient_id: UUID
    text: ConsentText
    channel: Channel


async def consents(conn: asyncpg.Connection, patient_id: UUID) -> frozenset[ConsentKind]:
    """What the patient allows now."""
    return frozenset(ConsentKind(row["kind"]) for row in await conn.fetch(CONSENTS, patient_id))


async def give_consents(conn: asyncpg.Connection, agreed: Sequence[Agreed], now: datetime) -> None:
    """Write what was agreed to; the very words are kept with it."""
    if agreed:
        texts = [each.text for each in agreed]
        await conn.execute(
            GIVE_CONSENTS, [each.patient_id for each in agreed], [text.kind for text in texts],
            [text.hash for text in texts], [text.version for text in texts], [text.language for text in texts],
            [each.channel for each in agreed], [text.words for text in texts], now,
        )  # fmt: skip


async def revoke_consent(
    conn: asyncpg.Connection, patient_id: UUID, kind: ConsentKind, channel: Channel, now: datetime
) -> None:
    """The patient took a consent back."""
    await conn.execute(REVOKE_CONSENT, patient_id, kind, channel, now)


async def opt_out(conn: asyncpg.Connection, phone: bytes, now: datetime) -> None:
    """The number must not be texted."""
    await conn.execute(OPT_OUT, phone, now)


async def opt_in(conn: asyncpg.Connection, phone: bytes, now: datetime) -> bool:
    """The number may be texted again; False where it always could."""
    return bool(await conn.execute(OPT_IN, phone, now) == "UPDATE 1")


async def is_opted_out(conn: asyncpg.Connection, phone: bytes) -> bool:
    """Whether the number must not be texted."""
    return bool(await conn.fetchval(IS_OPTED_OUT, phone))
