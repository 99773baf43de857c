"""Whom every service lets in: staff by their token, role and second factor, patients by a link."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

import pytest
from fastapi import APIRouter, Depends

from services.identity.settings import IdentitySettings
from shared.http import links
from shared.http.auth import Staff, staff
from shared.http.deps import ServiceDep
from tests.support.probe import probing, settings_of

router = APIRouter()


@router.get("/api/v1/anyone")
async def anyone(who: Annotated[Staff, Depends(staff())]) -> dict[str, Any]:
    return {"actor": who.actor, "name": who.name, "roles": sorted(who.roles)}


@router.get("/api/v1/providers")
async def providers(who: Annotated[Staff, Depends(staff("provider"))]) -> dict[str, str]:
    return {"actor": who.actor}


@router.post("/api/v1/sign")
async def sign(who: Annotated[Staff, Depends(staff("provider", step_up=True))]) -> dict[str, str]:
    return {"actor": who.actor}


@router.get("/p/{token}")
async def page(token: str, service: ServiceDep) -> dict[str, Any]:
    async with service.reading() as uow:
        found = await links.find(uow.conn, token, purpose="prepare", now=uow.now)
    return {"subject": str(found.subject), **found.data}


@pytest.fixture
async def probe(world):
    settings = settings_of(world, "identity", IdentitySettings, oidc_issuer=world.issuer.url)
    async with probing(world, "identity", settings, [router]) as running:
        yield running


def as_staff(probe, person, **claims):
    return {"authorization": f"Bearer {probe.issuer.token(person, 'identity', **claims)}"}


async def test_staff_are_known_by_the_clinic_file(probe):
    answer = await probe.http.get("/api/v1/anyone", headers=as_staff(probe, "osei"))
    assert answer.json() == {"actor": "staff:osei", "name": "Dr Amara Osei", "roles": ["provider"]}
    forged = await probe.http.get("/api/v1/providers", headers=as_staff(probe, "dana", roles=["provider"]))
    assert (forged.status_code, forged.json()["code"]) == (403, "wrong_role")
    stranger = await probe.http.get("/api/v1/anyone", headers=as_staff(probe, "mallory"))
    assert (stranger.status_code, stranger.json()["code"]) == (403, "not_staff")


async def test_an_address_counts_only_when_the_issuer_has_verified_it(probe):
    email = probe.service.clinic.person("osei").email
    known = await probe.http.get("/api/v1/anyone", headers=as_staff(probe, "u-77", email=email, email_verified=True))
    assert known.json()["actor"] == "staff:osei"
    for verified in (False, "true", None):
        claims = {"email": email, "email_verified": verified}
        assert (await probe.http.get("/api/v1/anyone", headers=as_staff(probe, "u-77", **claims))).status_code == 403


def unsigned(token):
    body = token.split(".")[1]
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": "tests"}).encode()).rstrip(b"=").decode()
    return f"{none}.{body}."


async def test_a_bad_token_of_any_kind_is_401(probe):
    good = probe.issuer.token("osei", "identity")
    head, body, signature = good.split(".")
    bad = [
        "nonsense",
        "a.b.c",
        "x" * 20_000,
        f"{head}.{body}.{signature[:-4]}AAAA",
        unsigned(good),
        probe.issuer.token("osei", "assessment"),
        probe.issuer.token("osei", "identity", exp=1_000_000),
        probe.issuer.token("osei", "identity", nbf=4_000_000_000),
        probe.issuer.token("osei", "identity", iss="https://evil.example"),
        probe.issuer.token("osei", "identity", aud=["passage:intake"]),
        "\u202egood",
    ]
    for token in bad:
        headers = [(b"authorization", b"Bearer " + token.encode())]
        answer = await probe.http.get("/api/v1/anyone", headers=headers)
        assert answer.status_code == 401, token[:80]
        assert "bearer" in answer.headers["www-authenticate"].lower()
    assert (await probe.http.get("/api/v1/anyone")).status_code == 401
    assert (await probe.http.get("/api/v1/anyone", headers={"authorization": f"Basic {good}"})).status_code == 401


async def test_signing_needs_a_fresh_second_factor(probe):
    now = int(datetime.now(UTC).timestamp())
    assert (await probe.http.post("/api/v1/sign", headers=as_staff(probe, "osei", step_up=True))).status_code == 200
    for claims in (
        {"step_up": False},
        {"step_up": True, "auth_time": now - 301},
        {"step_up": True, "auth_time": now + 120},
        {"step_up": True, "amr": ["pwd"]},
        {"step_up": True, "auth_time": 0},
    ):
        answer = await probe.http.post("/api/v1/sign", headers=as_staff(probe, "osei", **claims))
        assert answer.status_code == 401
        assert answer.json()["code"] == "step_up_required"
        assert 'acr_values="step-up"' in answer.headers["www-authenticate"]


async def test_a_link_opens_its_one_purpose_until_it_expires(probe):
    service, subject = probe.service, uuid4()
    now = service.clock.now()

    async def issue(purpose, hours):
        async with service.transaction(actor="system:identity") as uow:
            expires = now + timedelta(hours=hours)
            return await links.issue(uow, purpose=purpose, subject=subject, expires_at=expires, data={"step": "b"})

    good = await issue("prepare", 1)
    assert len(good) == 22
    assert (await probe.http.get(f"/p/{good}")).json() == {"subject": str(subject), "step": "b"}
    expired = await probe.http.get(f"/p/{await issue('prepare', -1)}")
    assert (expired.status_code, expired.json()["code"]) == (410, "link_expired")
    for wrong in (
        await issue("consent", 1),
        "A" * 22,
        "short",
        good[:-1],
        good + "A",
        "a" * 21 + "\u202e",
        "%27or%271",
    ):
        answer = await probe.http.get(f"/p/{wrong}")
        assert (answer.status_code, answer.json()["code"]) == (404, "link_unknown")
    async with service.transaction(actor="system:identity") as uow:
        await links.revoke(uow, purpose="prepare", subject=subject)
    assert (await probe.http.get(f"/p/{good}")).status_code == 404


async def test_only_the_hash_of_a_link_is_stored(world, probe):
    async with probe.service.transaction(actor="system:identity") as uow:
        expires = uow.now + timedelta(hours=1)
        token = await links.issue(uow, purpose="prepare", subject=UUID(int=7), expires_at=expires)
    async with world.connection() as conn:
        rows = await conn.fetch("select * from identity.links")
    assert rows
    assert token not in str([dict(row) for row in rows])


async def test_a_links_token_is_in_no_metric_and_no_log_line(probe, capfd):
    await probe.http.get("/p/SECRETSECRETSECRETSECR")
    text = (await probe.http.get("/metrics")).text
    assert 'route="/p/{token}"' in text
    logged = capfd.readouterr()
    assert "SECRETSECRET" not in text + logged.err + logged.out
