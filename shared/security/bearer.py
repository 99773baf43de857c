"""Verification of an issuer's tokens by its published keys (OIDC discovery, JWKS).

The promise: only signatures by keys that the issuer publishes now, only for our audience, only while they last. Keys
are cached; an unknown key id asks the issuer again, but not more often than every ten seconds; while the issuer is
away the keys seen last go on being good.
"""

import asyncio
import json
import time
from typing import Any, Self

import httpx
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import KeySet

from shared.security.sealing import decode

ALGORITHMS = ["ES256", "EdDSA", "RS256"]
FRESH_SECONDS = 600
RETRY_SECONDS = 10
LEEWAY_SECONDS = 30
LONGEST = 16_384


class BadToken(Exception):
    """The token is not good; `reason` can be shown."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class IssuerAway(Exception):
    """The issuer can't be reached, or is not who it should be."""


class Verifier:
    """Verifies the tokens of one issuer for one audience."""

    def __init__(self, issuer: str, audience: str, http: httpx.AsyncClient | None = None) -> None:
        self.issuer = issuer
        self.audience = audience
        self.http = http or httpx.AsyncClient(timeout=5, follow_redirects=False)
        self._keys = KeySet([])
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._metadata: dict[str, Any] = {}
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def verify(self, token: str, *, audience: str | None = None, nonce: str | None = None) -> dict[str, Any]:
        """The claims of a good token; with another `audience` and a `nonce`, of the ID token that answers it.

        Raises:
            BadToken: for any reason not to believe it.
        """
        if len(token) > LONGEST:
            raise BadToken("The token is too long.")
        key_id = _key_id(token)
        # Whose key is known waits for no slow issuer: one asks anew, the others go on meanwhile.
        known, old = self._has(key_id), time.monotonic() - self._fetched > FRESH_SECONDS
        if not known or (old and not self._lock.locked()):
            await self._refresh(key_id)
        try:
            decoded = jwt.decode(token, self._keys, algorithms=ALGORITHMS)
            jwt.JWTClaimsRegistry(
                leeway=LEEWAY_SECONDS,
                # Ours is kept without the slash at its end, which some issuers have.
                iss={"essential": True, "values": [self.issuer, f"{self.issuer}/"]},
                aud={"essential": True, "value": audience or self.audience},
                sub={"essential": True},
                exp={"essential": True},
                nonce={"essential": True, "value": nonce} if nonce else {},
            ).validate(decoded.claims)
        except ExpiredTokenError as error:
            raise BadToken("The token has expired.") from error
        except (JoseError, ValueError) as error:
            raise BadToken("The token is not valid here.") from error
        return decoded.claims

    async def metadata(self) -> dict[str, Any]:
        """The issuer's discovery document.

        Raises:
            IssuerAway: it is away and was never seen, or its document names another issuer.
        """
        if not self._metadata:
            document = await self._get(f"{self.issuer}/.well-known/openid-configuration")
            if str(document.get("issuer", "")).rstrip("/") != self.issuer:
                raise IssuerAway("the discovery document names another issuer")
            self._metadata = document
        return self._metadata

    async def _get(self, url: str) -> dict[str, Any]:
        try:
            answer = await self.http.get(url)
            answer.raise_for_status()
            document: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise IssuerAway(type(error).__name__) from error
        return document

    def _has(self, key_id: str) -> bool:
        return any(key.kid == key_id for key in self._keys.keys)

    async def _refresh(self, key_id: str) -> None:
        async with self._lock:
            now = time.monotonic()
            fresh = now - self._fetched <= FRESH_SECONDS and self._has(key_id)
            if fresh or now - self._tried < RETRY_SECONDS:
                return
            self._tried = now
            try:
                document = await self._get((await self.metadata())["jwks_uri"])
                self._keys = KeySet.import_key_set({"keys": document["keys"]})
                self._fetched = now
            except (IssuerAway, JoseError, ValueError, KeyError) as error:
                if not self._keys.keys:
                    raise BadToken("The clinic's sign-in can't be reached right now.") from error


def _key_id(token: str) -> str:
    try:
        header = json.loads(decode(token.split(".", maxsplit=1)[0]))
        return str(header["kid"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadToken("The token is malformed.") from error
