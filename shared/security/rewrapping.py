"""Closing anew, with the clinic's active key, what an older one closed: so that the older one can be retired.

The promise: it can run beside everything, be stopped and run again. A row is changed only while it is as it was read,
so an erasure that comes between wins. What is sealed with patients' own keys is not touched: those stay as they are,
only what closes them changes. For the owner of the tables; services may not do this to their log.
"""

import json
from collections import Counter
from uuid import UUID

import asyncpg

from shared.contracts.base import WrappedKey
from shared.security.keyring import Keyring
from shared.security.sealing import open_record, seal_record

BATCH = 500
PATIENT_KEYS = """
select subject, kid, wrapped from patient_keys where kid <> $1 and subject > $2 order by subject limit $3
"""
KEEP_PATIENT_KEYS = """
update patient_keys k set kid = n.kid, wrapped = n.wrapped
  from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) as n(subject, before, kid, wrapped)
 where k.subject = n.subject and k.wrapped = n.before
"""
EVENTS = """
select id, subject, body -> 'key' as key from event_log
 where (type like '%.LeadCreated.%' or type like '%.TaskRaised.%')
   and body -> 'key' ->> 'kid' <> $1 and id > $2
 order by id limit $3
"""
KEEP_EVENTS = """
update event_log e set body = jsonb_set(e.body::jsonb, '{key}', n.key::jsonb)::json
  from unnest($1::bigint[], $2::text[], $3::text[]) as n(id, before, key)
 where e.id = n.id and (e.body -> 'key')::text = n.before
"""
ALLOW = "select set_config('passage.rewrapping', 'on', true)"
HOME = "select set_config('search_path', $1, false)"
THERE = "select to_regclass($1) is not null"

RECORDS = {
    "dead_letters": (
        "records",
        "select record from dead_letters where not starts_with(record, 'r1.' || $1 || '.')",
        "update dead_letters set record = $2 where record = $1",
        "select substring(record from '^r1[.](.*)[.]') as kid, count(*) from dead_letters group by 1",
    ),
    "accounts": (
        "totp",
        "select totp_secret from accounts where not starts_with(totp_secret, 'r1.' || $1 || '.')",
        "update accounts set totp_secret = $2 where totp_secret = $1",
        "select substring(totp_secret from '^r1[.](.*)[.]') as kid, count(*) from accounts group by 1",
    ),
    "signing_keys": (
        "signing-keys",
        "select private from signing_keys where not starts_with(private, 'r1.' || $1 || '.')",
        "update signing_keys set private = $2 where private = $1",
        "select substring(private from '^r1[.](.*)[.]') as kid, count(*) from signing_keys group by 1",
    ),
    "staff_sessions": (
        "staff-sessions",
        "select tokens from staff_sessions where not starts_with(tokens, 'r1.' || $1 || '.')",
        "update staff_sessions set tokens = $2 where tokens = $1",
        "select substring(tokens from '^r1[.](.*)[.]') as kid, count(*) from staff_sessions group by 1",
    ),
}
"""Per table: the purpose, what an older key closed, how one is replaced, how many hang on which key."""
COUNTS = {
    "patient_keys": "select kid, count(*) from patient_keys group by 1",
    "event_log": """
select body -> 'key' ->> 'kid' as kid, count(*) from event_log
 where (type like '%.LeadCreated.%' or type like '%.TaskRaised.%') and body -> 'key' ->> 'kid' is not null group by 1
""",
    **{table: count for table, (_, _, _, count) in RECORDS.items()},
}


async def rewrap(conn: asyncpg.Connection, keyring: Keyring, schema: str) -> Counter[str]:
    """Close anew whatever hangs on another key in one service's schema; how many rows of which table.

    Raises:
        Unsealable: a row hangs on a key that the ring does not have.
    """
    await conn.execute(HOME, schema)
    done: Counter[str] = Counter()
    done["patient_keys"] = await _patient_keys(conn, keyring)
    done["event_log"] = await _events(conn, keyring)
    for table, (purpose, older, replace, _) in RECORDS.items():
        if await conn.fetchval(THERE, f"{schema}.{table}"):
            for row in await conn.fetch(older, keyring.active):
                fresh = seal_record(keyring, open_record(keyring, row[0], purpose=purpose), purpose=purpose)
                await conn.execute(replace, row[0], fresh)
                done[table] += 1
    return +done


async def hanging(conn: asyncpg.Connection, schema: str) -> dict[str, Counter[str]]:
    """How many rows of which table hang on which key, in one service's schema: key → table → rows."""
    await conn.execute(HOME, schema)
    found: dict[str, Counter[str]] = {}
    for table, count in COUNTS.items():
        if await conn.fetchval(THERE, f"{schema}.{table}"):
            for kid, rows in await conn.fetch(count):
                found.setdefault(kid, Counter())[table] += rows
    return found


async def _patient_keys(conn: asyncpg.Connection, keyring: Keyring) -> int:
    done, last = 0, "00000000-0000-0000-0000-000000000000"
    while rows := await conn.fetch(PATIENT_KEYS, keyring.active, last, BATCH):
        fresh = [_again(keyring, row["subject"], row["kid"], row["wrapped"]) for row in rows]
        subjects, before = [row["subject"] for row in rows], [row["wrapped"] for row in rows]
        await conn.execute(KEEP_PATIENT_KEYS, subjects, before, [f.kid for f in fresh], [f.wrapped for f in fresh])
        done, last = done + len(rows), subjects[-1]
    return done


async def _events(conn: asyncpg.Connection, keyring: Keyring) -> int:
    done, last = 0, 0
    while rows := await conn.fetch(EVENTS, keyring.active, last, BATCH):
        keys = [json.loads(row["key"]) for row in rows]
        fresh = [
            _again(keyring, row["subject"], key["kid"], key["wrapped"]) for row, key in zip(rows, keys, strict=True)
        ]
        ids, before = [row["id"] for row in rows], [row["key"] for row in rows]
        async with conn.transaction():
            await conn.execute(ALLOW)
            await conn.execute(KEEP_EVENTS, ids, before, [f.model_dump_json() for f in fresh])
        done, last = done + len(rows), ids[-1]
    return done


def _again(keyring: Keyring, subject: UUID, kid: str, wrapped: str) -> WrappedKey:
    return keyring.wrap(subject, keyring.unwrap(subject, WrappedKey(kid=kid, wrapped=wrapped)))
