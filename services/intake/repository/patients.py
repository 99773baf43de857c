"""Patients, their addresses, consents and accepted contacts. Few statements on the way in: a lead is answered fast."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from shared.contracts.intake import Channel, ConsentKind

# One statement decides who this is. `do update` waits for a transaction that is just claiming the same address and
# then returns its owner, which is how two contacts of one millisecond become one patient. Points come in sorted order.
CLAIM = """
with mine as (
    insert into accepted (producer, key, body) values ($1, $2, $3) on conflict do nothing returning true
), points as (
    insert into contact_points as p (kind, hash, patient_id)
    select kind, hash, $4 from unnest($5::text[], $6::bytea[]) as c(kind, hash)
     where exists (select from mine) order by kind, hash
    on conflict (kind, hash) do update set patient_id = p.patient_id
    returning kind, patient_id
)
select exists (select from mine) as claimed,
       (select patient_id from points where kind = 'phone') as by_phone,
       (select patient_id from points where kind = 'email') as by_email
"""
ANSWERED = "select body, patient_id, answer_due from accepted where producer = $1 and key = $2"
RECORD_ANSWER = "update accepted set patient_id = $3, answer_due = $4 where producer = $1 and key = $2"
FORGET_ACCEPTED = "delete from accepted where accepted_at < now() - $1::interval"
GIVE_POINT = """
insert into contact_points (kind, hash, patient_id) values ($1, $2, $3)
on conflict (kind, hash) do update set patient_id = excluded.patient_id where contact_points.patient_id = $4
"""
OWNERS = (
    "select kind, patient_id from contact_points where (kind, hash) in (select * from unnest($1::text[], $2::bytea[]))"
)
DROP_POINTS = "delete from contact_points where patient_id = $1 and ($2::text is null or kind = $2)"

# Says whether the number has opted out: asked after the address was claimed, so a STOP of the same moment is seen.
ADD_PATIENT = """
with patient as (
    insert into patients (id, channel, language, zone, details, answer_due, created_at, updated_at)
    values ($1, $2, $3, $4, $5, $6, $7, $7)
), answer as (
    update accepted set patient_id = $1, answer_due = $6 where producer = $8 and key = $9
)
select exists (select from opt_outs where phone_hash = $10 and opted_in_at is null)
"""
PATIENT = """
select id, channel, language, zone, details, answer_due, created_at, arranged_at, treated_at, closed_at, erased_at
  from patients where id = $1
"""
LOCK_PATIENT = PATIENT + " for update"
SAVE_PATIENT = """
update patients set details = $2, language = $3, zone = $4, answer_due = $5, closed_at = $6, updated_at = $7
 where id = $1
"""
MARK_ARRANGED = "update patients set arranged_at = coalesce(arranged_at, $2) where id = $1"
MARK_TREATED = "update patients set treated_at = greatest(treated_at, $2) where id = $1"
MARK_ERASED = "update patients set erased_at = $2, details = null, zone = null, updated_at = $2 where id = $1"
ALLOW_BLANKING = "select set_config('passage.erasing', $1, true)"
BLANK_KEY = """
update event_log set body = (body::jsonb || '{"key": null}'::jsonb)::json
 where subject = $1 and type like 'passage.intake.LeadCreated.%'
"""

CONSENTS = "select kind from consents where patient_id = $1 and given"
REVOKE_CONSENT = """
insert into consents (patient_id, kind, given, channel, changed_at) values ($1, $2, false, $3, $4)
on conflict (patient_id, kind) do update set given = false, text_hash = null, text_version = null, language = null,
    channel = excluded.channel, changed_at = excluded.changed_at
"""
GIVE_CONSENT = """
with kept as (
    insert into consent_texts (hash, kind, version, language, words) values ($3, $2, $4, $5, $8) on conflict do nothing
)
insert into consents (patient_id, kind, given, text_hash, text_version, language, channel, changed_at)
values ($1, $2, true, $3, $4, $5, $6, $7)
on conflict (patient_id, kind) do update set given = true, text_hash = excluded.text_hash,
    text_version = excluded.text_version, language = excluded.language, channel = excluded.channel,
    changed_at = excluded.changed_at
"""
OPT_OUT = """
insert into opt_outs (phone_hash, opted_out_at) values ($1, $2)
on conflict (phone_hash) do update set opted_out_at = excluded.opted_out_at, opted_in_at = null
"""
OPT_IN = "update opt_outs set opted_in_at = $2 where phone_hash = $1 and opted_in_at is null"
IS_OPTED_OUT = "select exists (select from opt_outs where phone_hash = $1 and opted_in_at is null)"

OPEN_TASK = "select exists (select from tasks where kind = $1 and subject = $2 and closed_at is null)"


@dataclass(frozen=True, slots=True)
class Claim:
    """`claimed` is false when this key was used before; the owners are None where no such address was given."""

    claimed: bool
    by_phone: UUID | None
    by_email: UUID | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered to a key. `body` is the hash of what was said under it."""

    body: bytes
    patient_id: UUID | None
    answer_due: datetime | None


@dataclass(frozen=True, slots=True)
class Patient:
    """A row of `patients`; `details` is sealed, None after erasure."""

    id: UUID
    channel: str
    language: str
    zone: str | None
    details: str | None
    answer_due: datetime
    created_at: datetime
    arranged_at: datetime | None = None
    treated_at: datetime | None = None
    closed_at: datetime | None = None
    erased_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key: who calls it that, and the hash of what was said under it."""

    producer: str
    key: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Points:
    """The keyed hashes of a contact's addresses."""

    phone: bytes | None
    email: bytes | None

    def columns(self) -> tuple[list[str], list[bytes]]:
        """Kinds and hashes, sorted by kind."""
        found = [(kind, value) for kind, value in (("email", self.email), ("phone", self.phone)) if value is not None]
        return [kind for kind, _ in found], [value for _, value in found]


async def claim(conn: asyncpg.Connection, key: Key, new_id: UUID, points: Points) -> Claim:
    """Take the key and the addresses; addresses nobody had now belong to `new_id`."""
    kinds, hashes = points.columns()
    row = await conn.fetchrow(CLAIM, key.producer, key.key, key.body, new_id, kinds, hashes)
    return Claim(row["claimed"], row["by_phone"], row["by_email"])


async def answered(conn: asyncpg.Connection, producer: str, key: bytes) -> Answer | None:
    """What was answered to this key before."""
    row = await conn.fetchrow(ANSWERED, producer, key)
    return None if row is None else Answer(row["body"], row["patient_id"], row["answer_due"])


async def record_answer(conn: asyncpg.Connection, key: Key, patient_id: UUID | None, due: datetime | None) -> None:
    """Keep what is answered to a key that this transaction claimed."""
    await conn.execute(RECORD_ANSWER, key.producer, key.key, patient_id, due)


async def forget_accepted(conn: asyncpg.Connection, older_than: timedelta) -> str:
    """Forget keys; a contact that is sent again after that counts as a new one of the same person."""
    return str(await conn.execute(FORGET_ACCEPTED, older_than))


async def give_point(conn: asyncpg.Connection, kind: str, value: bytes, to: UUID, *, from_: UUID) -> None:
    """Make an address this patient's, unless it belongs to a third."""
    await conn.execute(GIVE_POINT, kind, value, to, from_)


async def owners(conn: asyncpg.Connection, points: Points) -> dict[str, UUID]:
    """Whose these addresses are."""
    return {row["kind"]: row["patient_id"] for row in await conn.fetch(OWNERS, *points.columns())}


async def drop_points(conn: asyncpg.Connection, patient_id: UUID, kind: str | None = None) -> None:
    """A patient is no longer found by their addresses, or by those of one kind."""
    await conn.execute(DROP_POINTS, patient_id, kind)


async def add_patient(conn: asyncpg.Connection, patient: Patient, key: Key, points: Points) -> bool:
    """Write a new patient, and the answer to the contact that brought them. Returns whether the number opted out."""
    opted_out: bool = await conn.fetchval(
        ADD_PATIENT, patient.id, patient.channel, patient.language, patient.zone, patient.details,
        patient.answer_due, patient.created_at, key.producer, key.key, points.phone,
    )  # fmt: skip
    return opted_out


async def patient(conn: asyncpg.Connection, patient_id: UUID, *, lock: bool = False) -> Patient | None:
    """A patient, locked until the transaction ends where asked for."""
    row = await conn.fetchrow(LOCK_PATIENT if lock else PATIENT, patient_id)
    return None if row is None else Patient(*row.values())


async def save_patient(conn: asyncpg.Connection, patient: Patient, now: datetime) -> None:
    """Write what may change."""
    await conn.execute(
        SAVE_PATIENT, patient.id, patient.details, patient.language, patient.zone, patient.answer_due,
        patient.closed_at, now,
    )  # fmt: skip


async def mark_arranged(conn: asyncpg.Connection, patient_id: UUID, at: datetime) -> None:
    """A first appointment stands."""
    await conn.execute(MARK_ARRANGED, patient_id, at)


async def mark_treated(conn: asyncpg.Connection, patient_id: UUID, at: datetime) -> None:
    """A dose was given."""
    await conn.execute(MARK_TREATED, patient_id, at)


async def erase_patient(conn: asyncpg.Connection, patient_id: UUID, at: datetime) -> None:
    """Blank the row, its addresses, and the key that the log carries; the log allows exactly that."""
    await conn.execute(MARK_ERASED, patient_id, at)
    await conn.execute(DROP_POINTS, patient_id, None)
    await conn.execute(ALLOW_BLANKING, "on")
    await conn.execute(BLANK_KEY, patient_id)
    await conn.execute(ALLOW_BLANKING, "off")


async def consents(conn: asyncpg.Connection, patient_id: UUID) -> frozenset[ConsentKind]:
    """What the patient allows now."""
    return frozenset(ConsentKind(row["kind"]) for row in await conn.fetch(CONSENTS, patient_id))


@dataclass(frozen=True, slots=True)
class ConsentText:
    """The words that somebody agrees to. `hash` is the SHA-256 of `words` in hex."""

    kind: ConsentKind
    version: str
    language: str
    words: str
    hash: str


async def set_consent(
    conn: asyncpg.Connection, patient_id: UUID, text: ConsentText, channel: Channel, now: datetime
) -> None:
    """The patient agreed to this text; the text itself is kept with it."""
    await conn.execute(
        GIVE_CONSENT, patient_id, text.kind, text.hash, text.version, text.language, channel, now, text.words
    )  # fmt: skip


async def revoke_consent(
    conn: asyncpg.Connection, patient_id: UUID, kind: ConsentKind, channel: Channel, now: datetime
) -> None:
    """The patient took a consent back."""
    await conn.execute(REVOKE_CONSENT, patient_id, kind, channel, now)


async def opt_out(conn: asyncpg.Connection, phone: bytes, now: datetime) -> None:
    """The number must not be texted."""
    await conn.execute(OPT_OUT, phone, now)


async def opt_in(conn: asyncpg.Connection, phone: bytes, now: datetime) -> None:
    """The number may be texted again."""
    await conn.execute(OPT_IN, phone, now)


async def is_opted_out(conn: asyncpg.Connection, phone: bytes) -> bool:
    """Whether the number must not be texted."""
    return bool(await conn.fetchval(IS_OPTED_OUT, phone))


async def has_open_task(conn: asyncpg.Connection, kind: str, subject: UUID) -> bool:
    """Whether somebody still has this to do."""
    return bool(await conn.fetchval(OPEN_TASK, kind, subject))
