"""Nobody but a provider with a licence valid today and a fresh second factor signs; each role sees what it may."""

import contextlib
import time
from collections.abc import AsyncIterator
from datetime import date
from typing import Any
from uuid import UUID

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from tests.support.issuer import Issuer
from tests.support.kernel import create_lead
from tests.support.waiting import eventually
from tests.support.world import Running, World

READERS = {"dana", "osei", "lang", "tran", "audit"}
WRITERS = {"dana", "osei", "lang"}
EVERYBODY = ["dana", "osei", "lang", "rios", "tran", "bell", "ops", "audit"]


@pytest.fixture(scope="module")
async def service(world: World) -> AsyncIterator[Running]:
    async with world.start("assessment") as running:
        yield running


@pytest.fixture(scope="module")
async def patient(world: World, service: Running) -> UUID:
    """One patient, whose chart is complete."""
    async with world.start("intake") as intake:
        patient = await create_lead(intake.service)
        await eventually(lambda: status(service, "GET", f"/api/v1/charts/{patient}", "osei"), equals=200)
    for kind, content in (("history", {"born": "1980-04-02"}), ("goals", {"hopes": "sleep"}), ("tried", {})):
        path = f"/api/v1/charts/{patient}/{kind}"
        assert await status(service, "PUT", path, "dana", json={"version": 0, "content": content}) == 200
    assert await status(service, "POST", f"/api/v1/charts/{patient}/complete", "dana") == 201
    return patient


@pytest.fixture
async def approval(service: Running, patient: UUID) -> dict[str, Any]:
    """A decision that would be good in the right hands."""
    chart = (await service.http.get(f"/api/v1/charts/{patient}", headers=service.as_staff("osei"))).json()
    about = chart["assessment"]
    return {
        "action": "approve", "route": "im", "sessions": 6, "assessment_id": about["id"],
        "assessment_version": about["version"], "assessment_hash": about["hash"],
    }  # fmt: skip


async def status(service: Running, method: str, path: str, person: str, *, step_up: bool = True, **more: Any) -> int:
    answer = await service.http.request(method, path, headers=service.as_staff(person, step_up=step_up), **more)
    return answer.status_code


async def undecided(service: Running, patient: UUID) -> bool:
    chart = (await service.http.get(f"/api/v1/charts/{patient}", headers=service.as_staff("osei"))).json()
    return chart["state"] == "complete" and chart["decisions"] == []


@pytest.mark.parametrize("person", EVERYBODY)
async def test_who_reads_a_chart(service, patient, person):
    allowed = person in READERS | {"rios", "bell"}
    for path in (f"/api/v1/charts/{patient}", f"/api/v1/charts/{patient}/sections/goals/1"):
        assert await status(service, "GET", path, person) == (200 if allowed else 403)


@pytest.mark.parametrize("person", EVERYBODY)
@pytest.mark.parametrize("kind", ["history", "goals", "tried", "insurance"])
async def test_who_writes_a_section(service, patient, person, kind):
    # A version that never was: who may write is told so, everybody else is not let in.
    content = {"history": {"notes": person}, "goals": {"hopes": person}, "tried": {"notes": person}}
    body = {"version": 999, "content": content.get(kind, {"status": "self_pay"})}
    allowed = person in WRITERS | {"rios"}
    found = await status(service, "PUT", f"/api/v1/charts/{patient}/{kind}", person, json=body)
    assert found == (409 if allowed else 403)


@pytest.mark.parametrize("person", ["dana", "tran", "bell", "ops", "audit"])
async def test_no_other_role_signs_even_with_a_fresh_second_factor(service, patient, approval, person):
    answer = await service.http.post(
        f"/api/v1/charts/{patient}/decision", json=approval, headers=service.as_staff(person, step_up=True)
    )
    assert answer.status_code == 403
    assert answer.json()["code"] == "wrong_role"
    assert await undecided(service, patient)


async def test_a_provider_whose_licence_has_expired_does_not_sign(service, patient, approval):
    lang = service.service.clinic.person("lang")
    assert lang.licence.valid_until < date(2026, 1, 1)
    answer = await service.http.post(
        f"/api/v1/charts/{patient}/decision", json=approval, headers=service.as_staff("lang", step_up=True)
    )
    assert answer.status_code == 403
    assert answer.json()["code"] == "licence_not_valid"
    assert await undecided(service, patient)


@pytest.mark.parametrize("action", ["approve", "alternative", "more_information", "decline"])
async def test_a_licence_is_needed_for_every_kind_of_decision(service, patient, approval, action):
    about = {name: value for name, value in approval.items() if name.startswith("assessment_")}
    body = {
        "approve": approval,
        "alternative": about | {"action": action, "alternative": "cbt", "reason": "first"},
        "more_information": about | {"action": action, "question": "ECG?"},
        "decline": about | {"action": action, "reason": "no"},
    }[action]
    for person in ("lang", "dana"):
        assert await status(service, "POST", f"/api/v1/charts/{patient}/decision", person, json=body) == 403
    assert await undecided(service, patient)


async def test_without_a_fresh_second_factor_nobody_signs_and_is_told_what_to_do(service, patient, approval):
    answer = await service.http.post(
        f"/api/v1/charts/{patient}/decision", json=approval, headers=service.as_staff("osei", step_up=False)
    )
    assert answer.status_code == 401
    assert answer.json()["code"] == "step_up_required"
    assert "insufficient_user_authentication" in answer.headers["www-authenticate"]
    assert await undecided(service, patient)


async def test_a_second_factor_of_ten_minutes_ago_is_not_fresh(service, patient, approval):
    token = service.issuer.token("osei", "assessment", step_up=True, auth_time=int(time.time()) - 600)
    assert await with_token(service, patient, approval, token) == (401, "step_up_required")


async def test_tokens_that_are_not_good_here(service, patient, approval):
    issuer = service.issuer
    now = int(time.time())
    stranger = Issuer(issuer.url)
    unsigned = ".".join([*issuer.token("osei", "assessment", step_up=True).split(".")[:2], ""])
    tokens = {
        "expired": issuer.token("osei", "assessment", step_up=True, exp=now - 120),
        "for another service": issuer.token("osei", "scheduling", step_up=True),
        "of another issuer": issuer.token("osei", "assessment", step_up=True, iss="https://elsewhere.example"),
        "signed with another key": stranger.token("osei", "assessment", step_up=True),
        "unsigned": unsigned,
        "nonsense": "aaaa.bbbb.cccc",
        "signed with the public key as a secret": jwt.encode(
            {"alg": "ES256", "kid": "nobody"}, {"sub": "osei"}, ECKey.generate_key("P-256")
        ),
    }
    for name, token in tokens.items():
        found, code = await with_token(service, patient, approval, token)
        assert found == 401, name
        assert code == "bad_token", name
    answer = await service.http.post(f"/api/v1/charts/{patient}/decision", json=approval)
    assert answer.status_code == 401
    assert await undecided(service, patient)


async def test_somebody_who_is_not_in_the_clinic_file_is_nobody(service, patient, approval):
    token = service.issuer.token("mallory", "assessment", step_up=True, roles=["provider"])
    assert await with_token(service, patient, approval, token) == (403, "not_staff")


async def test_roles_in_a_token_change_nothing(service, patient, approval):
    token = service.issuer.token("dana", "assessment", step_up=True, roles=["provider"], licence="UT-1")
    assert await with_token(service, patient, approval, token) == (403, "wrong_role")


async def with_token(service: Running, patient: UUID, body: dict[str, Any], token: str) -> tuple[int, str]:
    answer = await service.http.post(
        f"/api/v1/charts/{patient}/decision", json=body, headers={"authorization": f"Bearer {token}"}
    )
    return answer.status_code, answer.json()["code"]


# — bad input —


async def test_bad_bodies_are_refused_with_the_fields_name(service, patient):
    headers = service.as_staff("dana")
    path = f"/api/v1/charts/{patient}/goals"
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({"version": 1, "content": {"hopes": "x", "mood": 1}}, 422, "content.mood"),
        ({"version": 1, "content": {"hopes": ["x"]}}, 422, "content.hopes"),
        ({"version": -1, "content": {"hopes": "x"}}, 422, "version"),
        ({"content": {"hopes": "x"}}, 422, "version"),
        ({"version": 1, "content": {"hopes": "a\x00b"}}, 422, "content.hopes"),
        ({"version": 1, "content": {"hopes": "pay \u202egnp"}}, 422, "content.hopes"),
        ({"version": 1, "content": {"hopes": "x" * 9000}}, 422, "content.hopes"),
    ]
    for body, code, field in cases:
        answer = await service.http.put(path, json=body, headers=headers)
        assert answer.status_code == code, answer.text
        assert field in [each["name"] for each in answer.json()["fields"]], answer.text
        assert all(each["remedy"] for each in answer.json()["fields"])


async def test_unreadable_and_oversized_bodies(service, patient):
    headers = service.as_staff("dana") | {"content-type": "application/json"}
    path = f"/api/v1/charts/{patient}/goals"
    assert (await service.http.put(path, content=b"{", headers=headers)).status_code == 422
    assert (await service.http.put(path, content=b"\xff\xfe", headers=headers)).status_code in (400, 422)
    with contextlib.suppress(httpx.ReadError, httpx.WriteError):  # hung up on while we were still sending
        assert (await service.http.put(path, content=b" " * 10_000_000, headers=headers)).status_code == 413
    assert (await service.http.put("/api/v1/charts/nobody/goals", json={}, headers=headers)).status_code == 422


async def test_a_condition_that_the_clinic_does_not_know_is_named(service, patient):
    body = {"version": 1, "content": {"conditions": [{"code": "CI_MADE_UP"}]}}
    answer = await service.http.put(f"/api/v1/charts/{patient}/history", json=body, headers=service.as_staff("dana"))
    assert answer.status_code == 422
    assert "CI_MADE_UP" in answer.json()["detail"]


async def test_an_unknown_patient_has_no_chart(service):
    unknown = UUID(int=42)
    answer = await service.http.get(f"/api/v1/charts/{unknown}", headers=service.as_staff("osei"))
    assert answer.status_code == 404
    assert answer.json()["remedy"]


async def test_at_last_the_licensed_provider_signs(service, patient, approval):
    assert await status(service, "POST", f"/api/v1/charts/{patient}/decision", "osei", json=approval) == 201
