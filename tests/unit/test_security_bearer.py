"""Whose tokens are believed: what clinics' own issuers do, and what must not work."""

import asyncio
import hmac
import json
import time
from pathlib import Path

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from shared.clinic import load
from shared.http.auth import from_claims
from shared.security import bearer
from shared.security.bearer import BadToken, IssuerAway, Verifier
from shared.security.sealing import encode

ISSUER = "https://id.clinic.example"
DEMO = Path(__file__).parents[2] / "deploy" / "clinics" / "harbor.toml"


class Issuer:
    """Answers like an issuer, and counts how often it is asked."""

    def __init__(self, *keys):
        self.keys = list(keys)
        self.asked = 0
        self.away = False
        self.issuer = ISSUER

    def __call__(self, request):
        if self.away:
            raise httpx.ConnectError("away")
        if request.url.path == "/.well-known/openid-configuration":
            return httpx.Response(200, json={"issuer": self.issuer, "jwks_uri": f"{ISSUER}/keys"})
        self.asked += 1
        return httpx.Response(200, json=KeySet(self.keys).as_dict(private=False))

    def verifier(self):
        return Verifier(ISSUER, "passage:intake", httpx.AsyncClient(transport=httpx.MockTransport(self)))


def key(kind=ECKey, how="P-256", kid="k1"):
    return kind.generate_key(how, {"kid": kid})


def token(signer, alg="ES256", **changes):
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": "passage:intake", "sub": "osei", "iat": now, "exp": now + 60, **changes}
    given = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode({"alg": alg, "kid": signer.kid}, given, signer, [alg])


@pytest.mark.parametrize(
    ("kind", "how", "alg"), [(ECKey, "P-256", "ES256"), (RSAKey, 2048, "RS256"), (OKPKey, "Ed25519", "EdDSA")]
)
@pytest.mark.filterwarnings("ignore:.*EdDSA.*")
async def test_the_usual_signatures_are_believed(kind, how, alg):
    signer = key(kind, how)
    async with Issuer(signer).verifier() as verifier:
        assert (await verifier.verify(token(signer, alg)))["sub"] == "osei"


async def test_an_issuer_may_have_a_slash_at_its_end():
    """Auth0's do: the document and the tokens name it so, and the setting is written "exactly as the document"."""
    signer = key()
    issuer = Issuer(signer)
    issuer.issuer = f"{ISSUER}/"
    async with issuer.verifier() as verifier:
        assert (await verifier.verify(token(signer, iss=f"{ISSUER}/")))["sub"] == "osei"
        with pytest.raises(BadToken):
            await verifier.verify(token(signer, iss=f"{ISSUER}/other"))


async def test_keys_are_asked_for_once_and_again_for_an_unknown_one(monkeypatch):
    old, new = key(kid="old"), key(kid="new")
    issuer = Issuer(old)
    async with issuer.verifier() as verifier:
        await asyncio.gather(*(verifier.verify(token(old)) for _ in range(10)))
        assert issuer.asked == 1
        issuer.keys = [new, old]
        monkeypatch.setattr(bearer, "RETRY_SECONDS", 0)
        assert (await verifier.verify(token(new)))["sub"] == "osei"
        assert issuer.asked == 2


async def test_made_up_key_ids_do_not_make_us_ask_all_the_time():
    good = key()
    issuer = Issuer(good)
    async with issuer.verifier() as verifier:
        await verifier.verify(token(good))
        for n in range(20):
            with pytest.raises(BadToken):
                await verifier.verify(token(key(kid=f"made-up-{n}")))
        assert issuer.asked == 1


async def test_while_the_issuer_is_away_known_keys_stay_good_and_nothing_else_is(monkeypatch):
    good = key()
    issuer = Issuer(good)
    async with issuer.verifier() as verifier:
        await verifier.verify(token(good))
        issuer.away = True
        monkeypatch.setattr(bearer, "FRESH_SECONDS", -1)
        monkeypatch.setattr(bearer, "RETRY_SECONDS", 0)
        assert (await verifier.verify(token(good)))["sub"] == "osei"
    async with issuer.verifier() as fresh:
        with pytest.raises(BadToken, match="reached"):
            await fresh.verify(token(good))


async def test_a_slow_issuer_holds_up_nobody_whose_key_is_known(monkeypatch):
    good = key()
    issuer = Issuer(good)
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(request):
        if request.url.path == "/keys" and issuer.asked:
            asked.set()
            await go_on.wait()
        return issuer(request)

    async with Verifier(ISSUER, "passage:intake", httpx.AsyncClient(transport=httpx.MockTransport(slow))) as verifier:
        await verifier.verify(token(good))
        monkeypatch.setattr(bearer, "FRESH_SECONDS", -1)
        monkeypatch.setattr(bearer, "RETRY_SECONDS", 0)
        first = asyncio.create_task(verifier.verify(token(good)))
        await asked.wait()
        async with asyncio.timeout(5):
            assert (await verifier.verify(token(good)))["sub"] == "osei"
        assert not first.done()
        go_on.set()
        assert (await first)["sub"] == "osei"


async def test_a_document_that_names_another_issuer_is_not_believed():
    issuer = Issuer(key())
    issuer.issuer = "https://evil.example"
    async with issuer.verifier() as verifier:
        with pytest.raises(IssuerAway):
            await verifier.metadata()


async def test_the_public_key_is_no_secret_to_sign_with():
    good = key(RSAKey, 2048)
    body = token(good, "RS256").split(".")[1]
    head = encode(json.dumps({"alg": "HS256", "kid": good.kid}).encode())
    mac = hmac.digest(good.as_pem(private=False), f"{head}.{body}".encode(), "sha256")
    async with Issuer(good).verifier() as verifier:
        with pytest.raises(BadToken):
            await verifier.verify(f"{head}.{body}.{encode(mac)}")


@pytest.mark.parametrize(
    "change",
    [
        {"iss": None},
        {"iss": "https://evil.example"},
        {"aud": None},
        {"aud": "dashboard"},
        {"aud": []},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"exp": None},
        {"exp": 1},
        {"exp": "soon"},
        {"nbf": int(time.time()) + 86_400},
    ],
)
async def test_claims_that_are_missing_or_wrong_are_refused(change):
    good = key()
    async with Issuer(good).verifier() as verifier:
        with pytest.raises(BadToken):
            await verifier.verify(token(good, **change))


@pytest.mark.parametrize("told", [None, "", "2026-12-01T08:00:00Z", float("nan"), float("inf"), [1], {"at": 1}])
def test_who_proved_who_they_are_at_no_readable_moment_is_let_in_and_signs_nothing(told):
    clinic = load(DEMO)
    who = from_claims(clinic, {"sub": "osei", "auth_time": told, "amr": told, "acr": "step-up"}, "token")
    assert (who.auth_time, who.stepped_up(time.time())) == (0, False)


def test_an_issuer_that_writes_the_moment_with_a_fraction_is_understood():
    now = time.time()
    told = {"sub": "osei", "auth_time": now, "amr": ["pwd", "otp"], "acr": "step-up"}
    assert from_claims(load(DEMO), told, "token").auth_time == int(now)
