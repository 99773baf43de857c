"""The clinic's staff, each with a token of their own, got by a real log-in: the issuer's pages, both factors, PKCE."""

import asyncio
import base64
import hashlib
import secrets
import time
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx

from passage.demo.browser import Authenticator, Form, NotSeen, page_of

TOKEN_SECONDS = 240
"""A fresh second factor counts for signing for five minutes; nobody here waits for that to end."""
LATER = frozenset({404, 425, 429, 502, 503})
"""What a service answers that has not heard yet, or is busy."""
PATIENCE_SECONDS = 20.0


class Refused(RuntimeError):
    """A service said no. `status` and `code` are its own, the words too."""

    def __init__(self, answer: httpx.Response) -> None:
        body = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        self.status, self.code = answer.status_code, str(body.get("code", ""))
        words = f"{body.get('title', '')} {body.get('detail') or ''}".strip() or answer.text[:200]
        super().__init__(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {words}")


class Colleague:
    """One member of staff. `login` has `id`, `name`, `password`, `totp_secret`."""

    def __init__(self, urls: dict[str, str], login: dict[str, Any], client_secret: str) -> None:
        self.id, self.name = str(login["id"]), str(login["name"])
        self._urls, self._login, self._client_secret = urls, login, client_secret
        self._authenticator = Authenticator(login["totp_secret"])
        self._http = httpx.AsyncClient(timeout=30, follow_redirects=False)
        self._tokens: dict[bool, tuple[str, float]] = {}
        self._one = asyncio.Lock()

    async def close(self) -> None:
        await self._http.aclose()

    async def ask(
        self,
        service: str,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        signing: bool = False,
        later: frozenset[int] = LATER,
        key: str = "",
    ) -> Any:
        """The service's answer as JSON, None where it has no body. `signing` shows a fresh second factor.

        A status in `later` means "not yet": it is asked again for a while. `key` makes a repetition harmless.

        Raises:
            Refused: it said no.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            headers = {"authorization": f"Bearer {await self._token(signing)}"} | (
                {"idempotency-key": key} if key else {}
            )
            answer = await self._http.request(method, f"{self._urls[service]}{path}", json=body, headers=headers)
            if answer.is_success:
                return answer.json() if answer.content else None
            if answer.status_code not in later or time.monotonic() > deadline:
                raise Refused(answer)
            await asyncio.sleep(0.15)

    async def _token(self, signing: bool) -> str:
        async with self._one:
            token, until = self._tokens.get(signing, ("", 0.0))
            if time.monotonic() > until:
                token = await self._sign_in(signing)
                self._tokens[signing] = token, time.monotonic() + TOKEN_SECONDS
            return token

    async def _sign_in(self, signing: bool) -> str:
        verifier, nonce, back = secrets.token_urlsafe(32), secrets.token_urlsafe(8), self._callback
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code", "client_id": "dashboard", "redirect_uri": back, "scope": "openid profile email",
            "state": "demo", "nonce": nonce, "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        if signing:
            query |= {"acr_values": "step-up", "max_age": "0", "prompt": "login", "login_hint": self.id}
        answer = await self._http.get(f"{self._urls['identity']}/authorize?{urlencode(query)}")
        code = await self._code(answer)
        given = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": verifier}
        token = await self._http.post(
            f"{self._urls['identity']}/token", data=given, auth=("dashboard", self._client_secret)
        )
        if not token.is_success:
            raise Refused(token)
        return str(token.json()["access_token"])

    @property
    def _callback(self) -> str:
        return f"{self._urls['dashboard']}/auth/callback"

    async def _code(self, answer: httpx.Response) -> str:
        """Fill in what the issuer's pages ask until it sends the browser back; the dashboard never sees this code.

        A code that was used already, by the same person elsewhere, is followed by the next one.
        """
        for _ in range(9):
            if answer.has_redirect_location:
                where = urljoin(str(answer.url), answer.headers["location"])
                if where.startswith(self._callback):
                    return parse_qs(urlsplit(where).query)["code"][0]
                answer = await self._http.get(where, headers={"accept": "text/html"})
                continue
            page = page_of(answer)
            form = next((form for form in page.forms if "/sign-in" in form.action), None)
            if page.status not in (httpx.codes.OK, httpx.codes.UNPROCESSABLE_ENTITY) or form is None:
                break
            answer = await self._fill(page.url, form)
        raise NotSeen(f"{self.id} could not sign in: {page_of(answer).text[:200]}")

    async def _fill(self, url: str, form: Form) -> httpx.Response:
        told = {
            "username": self.id,
            "password": self._login["password"],
            "code": self._authenticator.code() if "code" in form.fields else "",
        }
        filled = {name: told.get(name, said[0] if said else "") for name, said in form.fields.items()}
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        return await self._http.post(
            urljoin(url, form.action), data=filled, headers={"accept": "text/html", "origin": origin}
        )
