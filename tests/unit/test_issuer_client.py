"""What an issuer's answers to a client mean: no, or later."""

from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from shared.http.issuer_client import IssuerClient, Refused, Tokens
from shared.security.bearer import IssuerAway, Verifier
from shared.settings import SignInSettings

ISSUER = "https://id.clinic.example"
OLD = Tokens("access", "refresh", "id", 0.0, {"sub": "osei"})


def client(status: int) -> IssuerClient:
    """Of an issuer whose token endpoint answers so."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/.well-known/openid-configuration":
            return httpx.Response(200, json={"issuer": ISSUER, "token_endpoint": f"{ISSUER}/token"})
        return httpx.Response(status, json={"error": "some_error"})

    settings = SignInSettings(
        environment="test",
        database_url=SecretStr("postgresql://nowhere"),
        clinic_file=Path("clinic.toml"),
        clinic_key_file=Path("keys.json"),
        oidc_client_secret=SecretStr("secret"),
    )
    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return IssuerClient(settings, "https://clinic.example/auth/callback", Verifier(ISSUER, "passage:dashboard", http))


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
async def test_an_issuer_that_says_later_signs_nobody_out(status: int) -> None:
    with pytest.raises(IssuerAway):
        await client(status).refresh(OLD)


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_an_issuer_that_says_no_means_it(status: int) -> None:
    with pytest.raises(Refused):
        await client(status).refresh(OLD)
