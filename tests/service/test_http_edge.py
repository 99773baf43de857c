"""What every service does at its edge: errors that say what to do, limits, headers, bad input of all kinds."""

import asyncio
from typing import Annotated, Any
from uuid import uuid4

import asyncpg
import jsonschema
import pytest
from fastapi import APIRouter, Depends, Form
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.requests import Request

from services.identity.settings import IdentitySettings
from shared.db.pool import DatabaseAway
from shared.http.deps import ServiceDep
from shared.http.problems import Conflict, FieldProblem
from shared.http.ratelimit import limit
from tests.support.probe import probing, settings_of

router = APIRouter()
LIMIT = 1_048_576


class Visit(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=2, max_length=60)
    at: AwareDatetime
    seats: int = Field(ge=1)


@router.post("/api/v1/visits", status_code=201)
async def visit(body: Visit) -> dict[str, Any]:
    return {"name": body.name}


@router.post("/api/v1/raw")
async def raw(request: Request) -> dict[str, int]:
    return {"bytes": len(await request.body())}


@router.post("/form")
async def form(name: Annotated[str, Form()]) -> dict[str, str]:
    return {"name": name}


@router.post("/own-form")
async def own_form(request: Request) -> dict[str, Any]:
    return dict(await request.form())


@router.get("/ended")
async def ended(service: ServiceDep) -> None:
    async with service.transaction(actor="test") as uow:
        await uow.conn.execute("select pg_terminate_backend(pg_backend_pid())")


@router.get("/away/{name}")
async def away(name: str) -> None:
    raise {"DatabaseAway": DatabaseAway, **vars(asyncpg)}[name]("said of Anna Miller")


@router.get("/boom")
async def boom() -> None:
    raise RuntimeError("phone +13035550123 of Anna Miller")


@router.get("/taken")
async def taken() -> None:
    raise Conflict("The 9:30 was booked meanwhile.", fields=[FieldProblem("at", "Taken.", "Choose another time.")])


@router.get("/few", dependencies=[Depends(limit("few", per_minute=60, burst=3))])
async def few() -> dict[str, str]:
    return {}


@router.get("/store/{text}")
async def store(text: str, service: ServiceDep) -> dict[str, Any]:
    async with service.reading() as uow:
        return {"text": await uow.conn.fetchval("select $1::text", text)}


@pytest.fixture
async def probe(world):
    async with world.connection() as conn:
        await conn.execute("truncate identity.rate_limits")
    settings = settings_of(world, "identity", IdentitySettings, oidc_issuer=world.issuer.url)
    async with probing(world, "identity", settings, [router]) as running:
        yield running


GOOD = {"name": "Anna", "at": "2026-03-08T09:30:00-07:00", "seats": 1}


@pytest.mark.parametrize(
    ("change", "field", "remedy"),
    [
        ({"name": None}, "name", "Correct this field."),
        ({"name": 7}, "name", "Correct this field."),
        ({"name": "A"}, "name", "Write a little more."),
        ({"name": "A" * 61}, "name", "Write less."),
        ({"at": "yesterday"}, "at", "Write it like"),
        ({"at": "2026-03-08T09:30:00"}, "at", "Add the offset"),
        ({"seats": "many"}, "seats", "Correct this field."),
        ({"surprise": True}, "surprise", "Leave this field out."),
        ({"name": "An\x00na"}, "name", "Remove the character"),
        ({"sur\x00prise": 1}, "sur�prise", "Remove the character"),
    ],
)
async def test_a_wrong_field_is_named_with_its_remedy_and_not_repeated(probe, change, field, remedy):
    answer = await probe.http.post("/api/v1/visits", json={**GOOD, **change})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "invalid"
    assert problem["type"] == "urn:passage:problem:invalid"
    assert problem["instance"].endswith(answer.headers["x-request-id"])
    named = {entry["name"]: entry for entry in problem["fields"]}
    assert remedy in named[field]["remedy"]
    assert "yesterday" not in answer.text
    assert "many" not in answer.text


async def test_a_missing_field_is_named(probe):
    answer = await probe.http.post("/api/v1/visits", json={})
    assert {entry["name"] for entry in answer.json()["fields"]} == {"name", "at", "seats"}


@pytest.mark.parametrize("body", [b"{", b"", b"nul", b'{"name": "A', b"\xff\xfe", b"[" * 100_000, b'"\\ud800"'])
async def test_malformed_json_is_a_problem(probe, body):
    answer = await probe.http.post("/api/v1/visits", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["remedy"]


async def test_right_to_left_and_other_scripts_pass_through_unharmed(probe):
    for name in ("שרה כהן", "نور", "Ng\u0169", "Zoë \u202egnp.exe", "李明"):
        answer = await probe.http.post("/api/v1/visits", json={**GOOD, "name": name})
        assert answer.json() == {"name": name}


async def test_forms_with_nul_are_refused_and_others_stay_readable(probe):
    assert (await probe.http.post("/form", data={"name": "Anna"})).json() == {"name": "Anna"}
    assert (await probe.http.post("/own-form", data={"name": "Anna"})).json() == {"name": "Anna"}
    for path in ("/form", "/own-form"):
        answer = await probe.http.post(path, data={"name": "An\x00na"})
        assert answer.status_code == 422
        assert answer.json()["fields"][0]["name"] == "name"


async def test_nul_in_an_address_is_refused(probe):
    for path in ("/store/a%00b", "/api/v1/anyone?q=%00"):
        answer = await probe.http.get(path)
        assert answer.status_code == 400
        assert answer.json()["remedy"]


async def test_ten_megabytes_are_refused_announced_or_not(probe):
    big = b"x" * 10_000_000
    for path in ("/api/v1/raw", "/api/v1/visits"):
        answer = await probe.http.post(path, content=big, headers={"content-type": "application/json"})
        assert answer.status_code == 413
        assert answer.json()["code"] == "too_large"
    sent = 0

    async def stream():
        nonlocal sent
        for _ in range(100):
            sent += 100_000
            yield b"x" * 100_000
            await asyncio.sleep(0)

    unannounced = await probe.http.post("/api/v1/raw", content=stream())
    assert unannounced.status_code == 413
    exactly = await probe.http.post("/api/v1/raw", content=b"x" * LIMIT)
    assert exactly.json() == {"bytes": LIMIT}


async def test_a_nonsensical_length_is_refused(probe):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(probe.url.rpartition(":")[2]))
    writer.write(b"POST /api/v1/raw HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n")
    await writer.drain()
    assert b" 4" in (await reader.read(64)).split(b"\r\n")[0]
    writer.close()
    await writer.wait_closed()


async def test_unknown_addresses_and_methods_are_problems(probe):
    missing = await probe.http.get("/nowhere")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    method = await probe.http.delete("/form")
    assert (method.status_code, method.json()["code"]) == (405, "method_not_allowed")
    assert "POST" in method.headers["allow"]


async def test_what_nobody_foresaw_says_nothing_but_its_number(probe, capfd):
    answer = await probe.http.get("/boom")
    assert answer.status_code == 500
    assert "Anna" not in answer.text
    assert "RuntimeError" not in answer.text
    assert answer.json()["instance"].endswith(answer.headers["x-request-id"])
    assert answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/ended",
        "/away/AdminShutdownError",
        "/away/InterfaceError",
        "/away/InternalClientError",
        "/away/InvalidCachedStatementError",
        "/away/DatabaseAway",
        "/away/DiskFullError",
        "/away/OutOfMemoryError",
        "/away/TooManyConnectionsError",
        "/away/PostgresIOError",
    ],
)
async def test_a_database_that_goes_away_meanwhile_is_worth_another_try(probe, path):
    answer = await probe.http.get(path)
    assert (answer.status_code, "Miller" in answer.text) == (503, False)
    assert int(answer.headers["retry-after"]) > 0


async def test_people_get_a_page_and_programs_json(probe):
    page = await probe.http.get("/taken", headers={"accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"})
    assert page.headers["content-type"].startswith("text/html")
    assert "The 9:30 was booked meanwhile." in page.text
    assert page.status_code == 409
    program = await probe.http.get("/taken", headers={"accept": "application/json"})
    assert program.json()["fields"] == [{"name": "at", "message": "Taken.", "remedy": "Choose another time."}]


async def test_every_answer_has_the_security_headers_and_a_request_id(probe):
    for path in ("/live", "/taken", "/nowhere", "/boom"):
        headers = (await probe.http.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["x-request-id"]


async def test_a_request_id_is_taken_over_when_it_looks_like_one(probe):
    given = str(uuid4())
    assert (await probe.http.get("/live", headers={"x-request-id": given})).headers["x-request-id"] == given
    for odd in ("x", "a" * 200, "new\tline-here", "<script>alert(1)</script>"):
        assert (await probe.http.get("/live", headers={"x-request-id": odd})).headers["x-request-id"] != odd


async def test_too_many_at_once_are_asked_to_wait(probe):
    seen = [await probe.http.get("/few") for _ in range(5)]
    assert [answer.status_code for answer in seen] == [200, 200, 200, 429, 429]
    assert int(seen[-1].headers["retry-after"]) >= 1
    assert seen[-1].json()["code"] == "too_many"


async def test_limits_are_shared_by_replicas_and_hold_under_haste(world, probe):
    settings = settings_of(world, "identity", IdentitySettings, oidc_issuer=world.issuer.url, port=0)
    async with probing(world, "identity", settings, [router]) as second:
        answers = await asyncio.gather(*(client.http.get("/few") for client in (probe, second) * 8))
    assert sum(answer.status_code == 200 for answer in answers) == 3


async def test_the_probes_answer(probe):
    assert (await probe.http.get("/live")).json() == {"status": "live"}
    assert (await probe.http.get("/ready")).json() == {"status": "ready", "reasons": {}}
    text = (await probe.http.get("/metrics")).text
    assert 'passage_http_seconds_count{method="GET",route="/live",status="200"}' in text
    assert "passage_outbox_age_seconds" in text


async def test_the_description_of_an_api_says_what_an_error_looks_like(probe):
    described = (await probe.http.get("/openapi.json")).json()
    answers = described["paths"]["/api/v1/visits"]["post"]["responses"]
    assert set(answers) == {"201", "4XX"}
    assert answers["4XX"]["content"]["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}
    schema = described["components"]["schemas"]["Problem"]
    real = (await probe.http.post("/api/v1/visits", json={})).json()
    jsonschema.validate(real, schema)
    assert set(real) <= set(schema["properties"])
