"""A member of staff with a browser and an authenticator: signs in by the real pages."""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import asyncpg
import httpx

from passage.demo.browser import Authenticator
from services.identity.accounts import add_user
from tests.support.world import Running

PASSWORD = "a long enough password"


async def enrol(identity: Running, conn: asyncpg.Connection, person: str) -> Authenticator:
    """An account with `PASSWORD`; the authenticator that fits."""
    service = identity.service
    made = await add_user(conn, clinic=service.clinic, keyring=service.keyring, person_id=person, password=PASSWORD)
    return Authenticator(made.totp_secret)


@dataclass
class Browser:
    """Keeps cookies, sends forms from the page's own origin, follows nothing by itself."""

    http: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(timeout=15, follow_redirects=False))

    async def get(self, url: str, **params: str) -> httpx.Response:
        return await self.http.get(url, params=params or None, headers={"accept": "text/html"})

    async def submit(self, url: str, **form: str) -> httpx.Response:
        parts = urlsplit(url)
        headers = {"origin": f"{parts.scheme}://{parts.netloc}", "accept": "text/html"}
        return await self.http.post(url, data=form, headers=headers)

    async def follow(self, answer: httpx.Response) -> httpx.Response:
        """The page at the end of redirects."""
        while answer.is_redirect:
            assert answer.next_request is not None
            answer = await self.http.get(answer.next_request.url, headers={"accept": "text/html"})
        return answer


@dataclass
class Client:
    """The client "dashboard", by hand: what it sends to the issuer and what it does with the answer."""

    identity: Running
    redirect_uri: str
    secret: str

    def authorize_url(self, **changes: str | None) -> str:
        self.verifier = secrets.token_urlsafe(32)
        self.nonce = secrets.token_urlsafe(8)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        query: dict[str, str | None] = {
            "response_type": "code",
            "client_id": "dashboard",
            "redirect_uri": self.redirect_uri,
            "scope": "openid profile email",
            "state": "the-state",
            "nonce": self.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **changes,
        }
        given = {name: value for name, value in query.items() if value is not None}
        return f"{self.identity.url}/authorize?{urlencode(given)}"

    def code_of(self, answer: httpx.Response) -> str:
        """The code in a redirect back to the client."""
        location = answer.headers["location"]
        assert location.startswith(self.redirect_uri), location
        query = parse_qs(urlsplit(location).query)
        assert query["state"] == ["the-state"], location
        return query["code"][0]

    async def token(self, **form: str) -> httpx.Response:
        secret = form.pop("secret", self.secret)
        return await self.identity.http.post("/token", data=form, auth=("dashboard", secret))

    async def exchange(self, code: str, **changes: str) -> httpx.Response:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
        }
        return await self.token(**{**form, **changes})

    async def refresh(self, token: str) -> httpx.Response:
        return await self.token(grant_type="refresh_token", refresh_token=token)


async def sign_in(
    browser: Browser, identity: Running, url: str, person: str, authenticator: Authenticator, password: str = PASSWORD
) -> httpx.Response:
    """Password and code on the issuer's pages; the answer that leads back to the client."""
    answer = await browser.get(url)
    assert answer.status_code == 303, answer.text
    first = await browser.submit(f"{identity.url}/sign-in/password", username=person, password=password)
    assert first.status_code == 303, first.text
    return await browser.submit(f"{identity.url}/sign-in/code", code=authenticator.code())


def claims_of(token: str) -> dict[str, Any]:
    """What a token says, unverified."""
    body = token.split(".")[1]
    content: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return content
