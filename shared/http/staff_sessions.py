"""Sessions of staff, held by the server.

The promise: the browser's token is stored as a hash, the issuer's tokens sealed; an access token is refreshed shortly
before it ends, once, however many requests ask at that moment; a session that the issuer no longer wants is over.
"""

import asyncio
import json
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from weakref import WeakValueDictionary

from starlette.requests import Request
from starlette.responses import Response

from shared.http.issuer_client import IssuerClient, Refused, Tokens
from shared.security.bearer import IssuerAway
from shared.security.keyring import Keyring
from shared.security.sealing import Unsealable, open_record, seal_record
from shared.security.tokens import digest, new_secret
from shared.service import Service

OPEN = """
insert into staff_sessions (hash, person_id, tokens, access_expires, expires_at)
values ($1, $2, $3, $4, now() + $5::interval)
"""
# Written at most once a minute: reading the board is no reason for a write.
TOUCH = "update staff_sessions set last_seen = now() where hash = $1 and last_seen < now() - interval '1 minute'"
FIND = "select tokens from staff_sessions where hash = $1 and expires_at > now() and last_seen > now() - $2::interval"
REFRESHED = "update staff_sessions set tokens = $2, access_expires = $3 where hash = $1"
CLOSE = "delete from staff_sessions where hash = $1 returning tokens"
SWEEP = "delete from staff_sessions where expires_at < now() or last_seen < now() - $1::interval"

PURPOSE = "staff-sessions"
AHEAD_SECONDS = 60
"""A token is refreshed when it has less than this left, so that what it is passed on to has time to use it."""

_refreshing: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()


class StaffSessions:
    """How long sessions last: `life` in all, `idle` without a request."""

    def __init__(self, life: timedelta, idle: timedelta) -> None:
        self._life = life
        self._idle = idle

    async def open(self, service: Service, tokens: Tokens, person_id: str, *, replacing: str | None) -> str:
        """A new session's token; the old session of this browser ends."""
        token = new_secret()
        sealed = _seal(service.keyring, tokens)
        async with service.pool.acquire() as conn, conn.transaction():
            if replacing is not None:
                await conn.execute(CLOSE, digest(replacing))
            await conn.execute(SWEEP, self._idle)
            await conn.execute(OPEN, digest(token), person_id, sealed, _moment(tokens.access_expires), self._life)
        return token

    async def current(self, service: Service, client: IssuerClient, token: str, *, active: bool) -> Tokens | None:
        """The session's tokens, good for a while yet; None when it is over. `active`: a person did something.

        Raises:
            IssuerAway: the access token has ended and the issuer can't give another.
        """
        found = await self._find(service, token, active=active)
        if found is None or found.access_expires - time.time() > AHEAD_SECONDS:
            return found
        lock = _refreshing.setdefault(digest(token), asyncio.Lock())
        async with lock:
            found = await self._find(service, token, active=False)
            if found is None or found.access_expires - time.time() > AHEAD_SECONDS:
                return found
            return await self._refresh(service, client, token, found)

    async def close(self, service: Service, token: str) -> Tokens | None:
        """End it; what it held."""
        async with service.pool.acquire() as conn:
            sealed = await conn.fetchval(CLOSE, digest(token))
        return _open(service.keyring, sealed)

    def token_of(self, request: Request) -> str | None:
        """What the browser holds."""
        return request.cookies.get(_cookie(request))

    def give(self, request: Request, response: Response, token: str) -> None:
        """Hand the token to the browser; scripts can't read it."""
        seconds, secure = int(self._life.total_seconds()), _secure(request)
        response.set_cookie(_cookie(request), token, max_age=seconds, httponly=True, secure=secure, samesite="lax")

    def take(self, request: Request, response: Response) -> None:
        """Take it back."""
        response.delete_cookie(_cookie(request), httponly=True, secure=_secure(request), samesite="lax")

    async def _find(self, service: Service, token: str, *, active: bool) -> Tokens | None:
        async with service.pool.acquire() as conn:
            sealed = await conn.fetchval(FIND, digest(token), self._idle)
            if active and sealed is not None:
                await conn.execute(TOUCH, digest(token))
        return _open(service.keyring, sealed)

    async def _refresh(self, service: Service, client: IssuerClient, token: str, old: Tokens) -> Tokens | None:
        try:
            fresh = await client.refresh(old)
        except Refused:
            await self.close(service, token)
            return None
        except IssuerAway:
            if old.access_expires > time.time():
                return old
            raise
        async with service.pool.acquire() as conn:
            sealed = _seal(service.keyring, fresh)
            await conn.execute(REFRESHED, digest(token), sealed, _moment(fresh.access_expires))
        return fresh


def _seal(keyring: Keyring, tokens: Tokens) -> str:
    return seal_record(keyring, json.dumps(asdict(tokens)).encode(), purpose=PURPOSE)


def _open(keyring: Keyring, sealed: str | None) -> Tokens | None:
    try:
        return Tokens(**json.loads(open_record(keyring, sealed, purpose=PURPOSE))) if sealed else None
    except Unsealable:
        return None


def _moment(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


def _secure(request: Request) -> bool:
    return bool(request.app.state.service.settings.secure)


def _cookie(request: Request) -> str:
    # The __Host- prefix needs TLS, which a development stack doesn't have.
    return "__Host-passage-staff" if _secure(request) else "passage_staff"
