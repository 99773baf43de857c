"""Every SQL statement of identity. Times are technical: the database's `now()`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from shared.security.tokens import digest

ADD_ACCOUNT = """
insert into accounts (person_id, username, password_hash, totp_secret) values ($1, $2, $3, $4)
on conflict (person_id) do update
   set username = excluded.username, password_hash = excluded.password_hash,
       totp_secret = excluded.totp_secret, totp_step = 0
"""
ACCOUNT = "select person_id, username, password_hash, totp_secret from accounts where username = $1"
ACCOUNT_OF = "select person_id, username, password_hash, totp_secret from accounts where person_id = $1"
USE_STEP = "update accounts set totp_step = $2 where person_id = $1 and totp_step < $2 returning 1"
REHASH = "update accounts set password_hash = $2 where person_id = $1"

# Counted before the password is looked at, so that guesses made at the same moment count too. No row: locked.
ATTEMPT = """
insert into attempts as a (name, failures, last_at) values ($1, 1, now())
on conflict (name) do update
   set failures = case when a.locked_until is not null or a.last_at < now() - $3::interval
                       then 1 else a.failures + 1 end,
       last_at = now(),
       locked_until = case when a.locked_until is null and a.last_at >= now() - $3::interval and a.failures + 1 >= $2
                           then now() + $3::interval end
 where a.locked_until is null or a.locked_until <= now()
returning failures
"""
RIGHT = "update attempts set failures = greatest(failures - 1, 0), locked_until = null where name = $1"
CLEAR = "delete from attempts where name = $1"

BEGIN = "insert into sign_ins (hash, request, step_up, expected, expires_at) values ($1, $2::jsonb, $3, $4, now() + $5)"
SIGN_IN = "select request, step_up, expected, person_id from sign_ins where hash = $1 and expires_at > now()"
KNOWN = "update sign_ins set person_id = $2 where hash = $1"
END_SIGN_IN = "delete from sign_ins where hash = $1 returning request"

OPEN_SESSION = """
insert into sessions (hash, person_id, auth_time, amr, expires_at)
values ($1, $2, now(), $3, now() + $4) returning auth_time
"""
RENEW_SESSION = "update sessions set auth_time = now() where hash = $1 returning auth_time"
SESSION = "select hash, person_id, auth_time, amr from sessions where hash = $1 and expires_at > now()"
CLOSE_SESSION = "delete from sessions where hash = $1"
END_REFRESH = "delete from refresh_tokens where session = $1"

ADD_CODE = """
insert into codes (hash, family, session, client_id, person_id, redirect_uri, scope, nonce, code_challenge,
                   code_challenge_method, auth_time, amr, acr, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, now() + $14)
"""
# The row is locked: of two exchanges of one code the second waits, and finds it used.
TAKE_CODE = """
select hash, family, session, client_id, person_id, redirect_uri, scope, nonce, code_challenge, code_challenge_method,
       auth_time, amr, acr, used_at, expires_at <= now() as expired
  from codes where hash = $1 for update
"""
CODE_USED = "update codes set used_at = now() where hash = $1"
# Ends with the browser's session, so that signing out ends everything.
TAKE_REFRESH = """
select r.hash, r.family, r.session, r.client_id, r.person_id, r.scope, r.auth_time, r.amr, r.acr,
       r.expires_at <= now() as expired, coalesce(r.used_at < now() - $2::interval, false) as replayed
  from refresh_tokens r join sessions s on s.hash = r.session where r.hash = $1 for update of r
"""
REFRESH_USED = "update refresh_tokens set used_at = coalesce(used_at, now()) where hash = $1"
END_FAMILY = "delete from refresh_tokens where family = $1"
ADD_REFRESH = """
insert into refresh_tokens (hash, family, session, client_id, person_id, scope, auth_time, amr, acr, expires_at)
select $1, $2, hash, $4, $5, $6, $7, $8, $9, expires_at from sessions where hash = $3 and expires_at > now()
"""
SWEEP = (
    "delete from sign_ins where expires_at < now()",
    "delete from sessions where expires_at < now()",
    "delete from codes where expires_at < now() - interval '1 day'",
    "delete from refresh_tokens where expires_at < now()",
    "delete from attempts where last_at < now() - interval '7 days'",
    "delete from signing_keys where created_at < now() - interval '200 days'",
)
KEYS_ALONE = "select pg_advisory_xact_lock(hashtext(current_schema()), hashtext('signing_keys'))"
KEYS = "select kid, private, created_at from signing_keys order by created_at desc, kid"
ADD_KEY = "insert into signing_keys (kid, private) values ($1, $2)"


@dataclass(frozen=True, slots=True)
class Account:
    """How one person proves who they are; `totp_secret` is sealed."""

    person_id: str
    username: str
    password_hash: str
    totp_secret: str


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in that is under way."""

    request: dict[str, str]
    step_up: bool
    expected: str | None
    person_id: str | None


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is signed in."""

    hash: bytes
    person_id: str
    auth_time: datetime
    amr: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """What a code or a refresh token stands for."""

    family: UUID
    session: bytes
    client_id: str
    person_id: str
    scope: str
    auth_time: datetime
    amr: tuple[str, ...]
    acr: str
    redirect_uri: str | None = None
    nonce: str | None = None
    code_challenge: str | None = None
    code_challenge_method: str | None = None


def _account(row: asyncpg.Record | None) -> Account | None:
    return Account(**row) if row else None


async def save_account(conn: asyncpg.Connection, account: Account) -> None:
    await conn.execute(ADD_ACCOUNT, account.person_id, account.username, account.password_hash, account.totp_secret)


async def account(conn: asyncpg.Connection, username: str) -> Account | None:
    return _account(await conn.fetchrow(ACCOUNT, username))


async def account_of(conn: asyncpg.Connection, person_id: str) -> Account | None:
    return _account(await conn.fetchrow(ACCOUNT_OF, person_id))


async def use_step(conn: asyncpg.Connection, person_id: str, step: int) -> bool:
    """Whether the code of this 30-second step had not been used."""
    return await conn.fetchval(USE_STEP, person_id, step) is not None


async def rehash(conn: asyncpg.Connection, person_id: str, password_hash: str) -> None:
    await conn.execute(REHASH, person_id, password_hash)


async def attempt(conn: asyncpg.Connection, name: bytes, limit: int, lock: timedelta) -> bool:
    """Count an attempt; false when the name is locked."""
    return await conn.fetchval(ATTEMPT, name, limit, lock) is not None


async def right(conn: asyncpg.Connection, name: bytes) -> None:
    """The attempt was no failure; earlier ones still count."""
    await conn.execute(RIGHT, name)


async def clear(conn: asyncpg.Connection, name: bytes) -> None:
    await conn.execute(CLEAR, name)


async def begin(
    conn: asyncpg.Connection,
    token: str,
    request: Mapping[str, str],
    *,
    step_up: bool,
    expected: str | None,
    life: timedelta,
) -> None:
    await conn.execute(BEGIN, digest(token), json.dumps(dict(request)), step_up, expected, life)


async def sign_in(conn: asyncpg.Connection, token: str) -> SignIn | None:
    row = await conn.fetchrow(SIGN_IN, digest(token))
    return SignIn(json.loads(row["request"]), row["step_up"], row["expected"], row["person_id"]) if row else None


async def person_known(conn: asyncpg.Connection, token: str, person_id: str) -> None:
    await conn.execute(KNOWN, digest(token), person_id)


async def end_sign_in(conn: asyncpg.Connection, token: str) -> bool:
    """False when it had ended already."""
    return await conn.fetchval(END_SIGN_IN, digest(token)) is not None


async def open_session(
    conn: asyncpg.Connection, token: str, person_id: str, amr: tuple[str, ...], life: timedelta
) -> Session:
    at = await conn.fetchval(OPEN_SESSION, digest(token), person_id, list(amr), life)
    return Session(digest(token), person_id, at, amr)


async def renew_session(conn: asyncpg.Connection, known: Session) -> Session:
    """The person has just proved again who they are."""
    at = await conn.fetchval(RENEW_SESSION, known.hash)
    return Session(known.hash, known.person_id, at, known.amr)


async def session(conn: asyncpg.Connection, token: str) -> Session | None:
    row = await conn.fetchrow(SESSION, digest(token))
    return Session(row["hash"], row["person_id"], row["auth_time"], tuple(row["amr"])) if row else None


async def close_session(conn: asyncpg.Connection, session_hash: bytes) -> None:
    await conn.execute(CLOSE_SESSION, session_hash)
    await conn.execute(END_REFRESH, session_hash)


async def add_code(conn: asyncpg.Connection, code: str, grant: Grant, life: timedelta) -> None:
    await conn.execute(
        ADD_CODE,
        digest(code),
        grant.family,
        grant.session,
        grant.client_id,
        grant.person_id,
        grant.redirect_uri,
        grant.scope,
        grant.nonce,
        grant.code_challenge,
        grant.code_challenge_method,
        grant.auth_time,
        list(grant.amr),
        grant.acr,
        life,
    )


async def take_code(conn: asyncpg.Connection, code: str) -> Grant | None:
    """Use up a code. One that was used before ends what grew from it: somebody has copied it."""
    row = await conn.fetchrow(TAKE_CODE, digest(code))
    if row is None or row["expired"]:
        return None
    if row["used_at"] is not None:
        await conn.execute(END_FAMILY, row["family"])
        return None
    await conn.execute(CODE_USED, row["hash"])
    return _grant(row)


async def take_refresh(conn: asyncpg.Connection, token: str, grace: timedelta) -> Grant | None:
    """Use up a refresh token. One that was used before, not just now, ends its family."""
    row = await conn.fetchrow(TAKE_REFRESH, digest(token), grace)
    if row is None or row["expired"]:
        return None
    if row["replayed"]:
        await conn.execute(END_FAMILY, row["family"])
        return None
    await conn.execute(REFRESH_USED, row["hash"])
    return _grant(row)


async def add_refresh(conn: asyncpg.Connection, token: str, grant: Grant) -> None:
    """Lasts as long as the browser's session; none is kept when that has ended."""
    await conn.execute(
        ADD_REFRESH,
        digest(token),
        grant.family,
        grant.session,
        grant.client_id,
        grant.person_id,
        grant.scope,
        grant.auth_time,
        list(grant.amr),
        grant.acr,
    )


def _grant(row: asyncpg.Record) -> Grant:
    shared: dict[str, Any] = {name: row[name] for name in ("family", "session", "client_id", "person_id", "scope")}
    return Grant(
        **shared,
        auth_time=row["auth_time"],
        amr=tuple(row["amr"]),
        acr=row["acr"],
        redirect_uri=row.get("redirect_uri"),
        nonce=row.get("nonce"),
        code_challenge=row.get("code_challenge"),
        code_challenge_method=row.get("code_challenge_method"),
    )


async def sweep(conn: asyncpg.Connection) -> None:
    for statement in SWEEP:
        await conn.execute(statement)


async def lock_keys(conn: asyncpg.Connection) -> None:
    await conn.execute(KEYS_ALONE)


async def keys(conn: asyncpg.Connection) -> list[tuple[str, str, datetime]]:
    """(kid, sealed private key, made at), newest first."""
    return [(row["kid"], row["private"], row["created_at"]) for row in await conn.fetch(KEYS)]


async def add_key(conn: asyncpg.Connection, kid: str, sealed: str) -> None:
    await conn.execute(ADD_KEY, kid, sealed)
