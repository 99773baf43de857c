"""SQL: patients and what they allow."""

from datetime import datetime
from uuid import UUID

import asyncpg

from services.notifications.rows import Patient

_ALL = """
select p.id, p.name, p.contact, p.phone_hash, p.has_phone, p.has_email, p.language, p.zone, p.sms_consent, p.sms_out,
       p.email_out, a.patient_id as alias_of, p.erased_at is not null as erased, n.reason as unreachable
  from patients p left join aliases a on a.absorbed_id = p.id left join unreachable_numbers n using (phone_hash)
"""
ADD = """
insert into patients (id, name, contact, phone_hash, has_phone, has_email, language, zone, sms_consent)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (id) do nothing
returning id
"""
FIND = _ALL + " where p.id = $1"
# Their id never changes, so what refers to them may be written meanwhile: a message that goes out waits for nobody.
LOCK = _ALL + " where p.id = $1 for no key update of p"
WITH_PHONE = "select id from patients where phone_hash = $1 and erased_at is null"
TAKES_NO_TEXTS = """
select exists (select from patients where phone_hash = $1 and sms_out)
    or exists (select from stopped_numbers where phone_hash = $1)
    or exists (select from unreachable_numbers where phone_hash = $1)
"""
MARK_STOPPED = "insert into stopped_numbers (phone_hash, since) values ($1, $2) on conflict do nothing"
MARK_RESUMED = "delete from stopped_numbers where phone_hash = $1"
MARK_UNREACHABLE = """
insert into unreachable_numbers (phone_hash, reason, since) values ($1, $2, $3) on conflict do nothing
"""
MARK_REACHABLE = "delete from unreachable_numbers where phone_hash = $1"
ABSORBED = "select absorbed_id from aliases where patient_id = $1"
CHANGE = """
update patients set name = coalesce($2, name), contact = coalesce($3, contact),
       phone_hash = case when $3::text is null then phone_hash else $4 end,
       has_phone = coalesce($5, has_phone), has_email = coalesce($6, has_email),
       language = coalesce($7, language), zone = coalesce($8, zone)
 where id = $1
"""
ALLOW = "update patients set sms_consent = $2, sms_out = $3, email_out = $4 where id = $1"
ALIAS = """
insert into aliases (absorbed_id, patient_id) values ($1, $2)
on conflict (absorbed_id) do update set patient_id = excluded.patient_id
"""
# Of two patients' events either may come first: who has been merged into a third since stays so.
UNALIAS = "delete from aliases where absorbed_id = $1 and patient_id = $2"
ERASE = """
update patients set name = null, contact = null, phone_hash = null, has_phone = false, has_email = false,
       sms_consent = false, zone = null, erased_at = $2
 where id = $1
"""


def _patient(row: asyncpg.Record) -> Patient:
    return Patient(
        id=row["id"],
        name=row["name"],
        contact=row["contact"],
        phone_hash=row["phone_hash"],
        has_phone=row["has_phone"],
        has_email=row["has_email"],
        language=row["language"],
        zone=row["zone"],
        sms_consent=row["sms_consent"],
        sms_out=row["sms_out"],
        email_out=row["email_out"],
        alias_of=row["alias_of"],
        erased=row["erased"],
        unreachable=row["unreachable"],
    )


async def add(conn: asyncpg.Connection, patient: Patient) -> bool:
    """Keep a new patient; False when they are known."""
    made = await conn.fetchval(
        ADD,
        patient.id,
        patient.name,
        patient.contact,
        patient.phone_hash,
        patient.has_phone,
        patient.has_email,
        patient.language,
        patient.zone,
        patient.sms_consent,
    )
    return made is not None


async def find(conn: asyncpg.Connection, patient_id: UUID, *, lock: bool = False) -> Patient | None:
    """A patient, locked until the transaction ends where asked."""
    row = await conn.fetchrow(LOCK if lock else FIND, patient_id)
    return _patient(row) if row is not None else None


async def with_phone(conn: asyncpg.Connection, phone_hash: bytes) -> list[UUID]:
    """Everybody who is reached on this phone."""
    return [row["id"] for row in await conn.fetch(WITH_PHONE, phone_hash)]


async def takes_no_texts(conn: asyncpg.Connection, phone_hash: bytes) -> bool:
    """Whether somebody said STOP on this phone, or a carrier said that it takes none."""
    return bool(await conn.fetchval(TAKES_NO_TEXTS, phone_hash))


async def mark_stopped(conn: asyncpg.Connection, phone_hash: bytes, at: datetime) -> None:
    """This phone wrote STOP."""
    await conn.execute(MARK_STOPPED, phone_hash, at)


async def mark_resumed(conn: asyncpg.Connection, phone_hash: bytes) -> None:
    """It wrote START."""
    await conn.execute(MARK_RESUMED, phone_hash)


async def mark_unreachable(conn: asyncpg.Connection, phone_hash: bytes, reason: str, at: datetime) -> None:
    """This phone takes no texts, in the carrier's code."""
    await conn.execute(MARK_UNREACHABLE, phone_hash, reason, at)


async def mark_reachable(conn: asyncpg.Connection, phone_hash: bytes) -> None:
    """It takes texts, as far as is known."""
    await conn.execute(MARK_REACHABLE, phone_hash)


async def absorbed(conn: asyncpg.Connection, patient_id: UUID) -> list[UUID]:
    """Who turned out to be this patient."""
    return [row["absorbed_id"] for row in await conn.fetch(ABSORBED, patient_id)]


async def change(
    conn: asyncpg.Connection,
    patient_id: UUID,
    *,
    name: str | None,
    contact: str | None,
    phone_hash: bytes | None,
    has_phone: bool | None,
    has_email: bool | None,
    language: str | None,
    zone: str | None,
) -> None:
    """Take over what changed; null means unchanged. `phone_hash` goes with `contact`."""
    await conn.execute(CHANGE, patient_id, name, contact, phone_hash, has_phone, has_email, language, zone)


async def allow(conn: asyncpg.Connection, patient_id: UUID, *, sms: bool, sms_out: bool, email_out: bool) -> None:
    """What the patient allows from now on."""
    await conn.execute(ALLOW, patient_id, sms, sms_out, email_out)


async def alias(conn: asyncpg.Connection, absorbed_id: UUID, patient_id: UUID) -> None:
    """Messages to the absorbed go to that patient."""
    await conn.execute(ALIAS, absorbed_id, patient_id)


async def unalias(conn: asyncpg.Connection, absorbed_id: UUID, patient_id: UUID) -> None:
    """They are not that patient any more."""
    await conn.execute(UNALIAS, absorbed_id, patient_id)


async def erase(conn: asyncpg.Connection, patient_id: UUID, at: datetime) -> None:
    """Forget how to reach them."""
    await conn.execute(ERASE, patient_id, at)
