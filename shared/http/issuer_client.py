"""What a client says to an OIDC issuer: where to send people, what a code is worth, fresh tokens, goodbye."""

import base64
import hashlib
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx

from shared.security.bearer import IssuerAway, Verifier
from shared.settings import SignInSettings

SCOPE = "openid profile email"
REFUSALS = frozenset(range(400, 500)) - {408, 425, 429}
"""Not those that only say "later": nobody is signed out because much is going on at the issuer."""


class Refused(Exception):
    """The issuer said no; the message is its error code."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the issuer gave. `claims` are the ID token's; `access_expires` is in epoch seconds."""

    access: str
    refresh: str | None
    id_token: str
    access_expires: float
    claims: dict[str, Any]


class IssuerClient:
    """One confidential client of the issuer that `verifier` knows."""

    def __init__(self, settings: SignInSettings, redirect_uri: str, verifier: Verifier) -> None:
        self._settings = settings
        self._redirect_uri = redirect_uri
        self._verifier = verifier

    async def authorize_url(self, state: str, nonce: str, code_verifier: str, asked: dict[str, str]) -> str:
        """Where to send the browser.

        Raises:
            IssuerAway
        """
        challenge = base64.urlsafe_b64encode(hashlib.sha256(code_verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self._settings.oidc_client_id,
            "redirect_uri": self._redirect_uri,
            "scope": SCOPE,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **asked,
        }
        return f"{(await self._verifier.metadata())['authorization_endpoint']}?{urlencode(query)}"

    async def exchange(self, code: str, code_verifier: str, nonce: str) -> Tokens:
        """Tokens for a code.

        Raises:
            Refused, IssuerAway; BadToken: the ID token is not for us, or answers another request.
        """
        given = {"code": code, "redirect_uri": self._redirect_uri, "code_verifier": code_verifier}
        answer = await self._ask({"grant_type": "authorization_code", **given})
        id_token = str(answer.get("id_token", ""))
        claims = await self._verifier.verify(id_token, audience=self._settings.oidc_client_id, nonce=nonce)
        return Tokens(answer["access_token"], answer.get("refresh_token"), id_token, _expiry(answer), claims)

    async def refresh(self, old: Tokens) -> Tokens:
        """Fresh tokens; who it is, and when they proved it, stays.

        Raises:
            Refused, IssuerAway
        """
        if old.refresh is None:
            raise Refused("no refresh token")
        answer = await self._ask({"grant_type": "refresh_token", "refresh_token": old.refresh})
        fresh = answer.get("refresh_token") or old.refresh
        return Tokens(answer["access_token"], fresh, old.id_token, _expiry(answer), old.claims)

    async def end_session_url(self, id_token: str | None) -> str:
        """Where to send the browser to sign out with the issuer too; our own first page where it has no such place.

        Raises:
            IssuerAway
        """
        endpoint = (await self._verifier.metadata()).get("end_session_endpoint")
        home = f"{self._settings.public_url}/"
        if not endpoint or not id_token:
            return home
        query = {
            "id_token_hint": id_token,
            "post_logout_redirect_uri": home,
            "client_id": self._settings.oidc_client_id,
        }
        return f"{endpoint}?{urlencode(query)}"

    async def _ask(self, form: dict[str, str]) -> dict[str, Any]:
        endpoint = (await self._verifier.metadata())["token_endpoint"]
        secret = self._settings.oidc_client_secret.get_secret_value()
        auth = httpx.BasicAuth(self._settings.oidc_client_id, secret)
        try:
            answer = await self._verifier.http.post(endpoint, data=form, auth=auth)
            body: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise IssuerAway(type(error).__name__) from error
        if answer.status_code in REFUSALS:
            raise Refused(str(body.get("error", answer.status_code)))
        if not answer.is_success or "access_token" not in body:
            raise IssuerAway(f"answered {answer.status_code}")
        return body


def _expiry(answer: dict[str, Any]) -> float:
    return time.time() + float(answer.get("expires_in", 300))
