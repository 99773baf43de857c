"""Staff sign in to a service of ours with the clinic's issuer: the whole round, its session, step-up, and its end."""

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from shared.http import oidc
from shared.http.oidc import CurrentStaff
from shared.http.staff_sessions import PURPOSE
from shared.security.sealing import open_record, seal_record
from shared.settings import SignInSettings
from tests.support.probe import probing, settings_of
from tests.support.sign_in import PASSWORD, Browser, claims_of, enrol

routes = APIRouter()


@routes.get("/board")
async def board(who: CurrentStaff) -> dict[str, Any]:
    return {"actor": who.actor, "roles": sorted(who.roles), "acr": who.acr, "token": who.token}


@routes.post("/change")
async def change(who: CurrentStaff) -> dict[str, str]:
    return {"actor": who.actor}


@routes.get("/sign")
async def sign(request: Request, who: CurrentStaff) -> Response:
    return oidc.step_up(request, f"/board?by={who.id}")


@pytest.fixture
async def identity(world, start):
    async with world.connection() as conn:
        await conn.execute(
            "truncate identity.rate_limits, identity.attempts, dashboard.rate_limits, dashboard.staff_sessions"
        )
    return await start("identity")


@pytest.fixture
async def settings(world, identity):
    return settings_of(world, "dashboard", SignInSettings, oidc_issuer=identity.url)


@pytest.fixture
async def desk(world, settings):
    async with probing(world, "dashboard", settings, [oidc.router(settings), routes]) as running:
        yield running


@pytest.fixture
async def osei(world, identity):
    async with world.connection("identity") as conn:
        return await enrol(identity, conn, "osei")


@pytest.fixture
async def browser():
    made = Browser()
    yield made
    await made.http.aclose()


async def sign_in(browser, desk, identity, authenticator, person="osei", path="/board"):
    """From a page that needs it to that page."""
    first = await browser.get(f"{desk.url}{path}")
    assert first.status_code == 303, first.text
    page = await browser.follow(first)
    assert "Sign in" in page.text
    await browser.submit(f"{identity.url}/sign-in/password", username=person, password=PASSWORD)
    return await browser.follow(await browser.submit(f"{identity.url}/sign-in/code", code=authenticator.code()))


async def test_a_page_leads_through_the_issuer_and_back_to_itself(desk, identity, browser, osei):
    answer = await sign_in(browser, desk, identity, osei, path="/board?day=monday")
    assert str(answer.url) == f"{desk.url}/board?day=monday"
    seen = answer.json()
    assert seen["actor"] == "staff:osei"
    assert claims_of(seen["token"])["aud"] == [
        f"passage:{name}" for name in ("intake", "assessment", "scheduling", "notifications", "dashboard")
    ]
    assert (await browser.get(f"{desk.url}/board")).status_code == 200


async def test_programs_and_live_parts_are_told_and_not_redirected(desk):
    program = await desk.http.get("/board", headers={"accept": "application/json"})
    assert (program.status_code, program.json()["code"]) == (401, "sign_in")
    headers = {"hx-request": "true", "hx-current-url": f"{desk.url}/board?day=monday", "accept": "text/html"}
    part = await desk.http.get("/board", headers=headers)
    assert part.status_code == 401
    assert part.headers["hx-redirect"] == "/login?next=%2Fboard%3Fday%3Dmonday"


async def test_the_browser_holds_no_token_of_the_issuer_and_the_table_no_readable_one(
    world, desk, identity, browser, osei
):
    seen = (await sign_in(browser, desk, identity, osei)).json()
    session = next(cookie for cookie in browser.http.cookies.jar if cookie.name == "passage_staff")
    assert len(session.value) == 43
    assert session.has_nonstandard_attr("HttpOnly")
    async with world.connection() as conn:
        rows = str([dict(row) for row in await conn.fetch("select * from dashboard.staff_sessions")])
    assert session.value not in rows
    assert seen["token"] not in rows


async def test_step_up_comes_back_with_a_fresh_proof_in_the_same_sitting(desk, identity, browser, osei):
    await sign_in(browser, desk, identity, osei)
    page = await browser.follow(await browser.get(f"{desk.url}/sign"))
    assert "Confirm that it is you" in page.text
    answer = await browser.follow(
        await browser.submit(f"{identity.url}/sign-in/confirm", password=PASSWORD, code=osei.code())
    )
    assert str(answer.url) == f"{desk.url}/board?by=osei"
    assert answer.json()["acr"] == "step-up"
    assert claims_of(answer.json()["token"])["acr"] == "step-up"


async def test_a_token_near_its_end_is_refreshed_once_for_all_who_ask(world, desk, identity, browser, osei):
    first = (await sign_in(browser, desk, identity, osei)).json()
    await age_access_token(world, desk, 870)
    answers = await asyncio.gather(*(browser.get(f"{desk.url}/board") for _ in range(8)))
    tokens = {answer.json()["token"] for answer in answers}
    assert len(tokens) == 1
    assert tokens != {first["token"]}
    async with world.connection() as conn:
        assert await conn.fetchval("select count(*) from identity.refresh_tokens where used_at is not null") == 1


async def test_a_session_that_the_issuer_ended_is_over(world, desk, identity, browser, osei):
    await sign_in(browser, desk, identity, osei)
    async with world.connection() as conn:
        await conn.execute("delete from identity.sessions")
    await age_access_token(world, desk, 870)
    assert (await browser.get(f"{desk.url}/board")).status_code == 303
    async with world.connection() as conn:
        assert await conn.fetchval("select count(*) from dashboard.staff_sessions") == 0


async def test_an_idle_or_old_session_is_over(world, desk, identity, browser, osei):
    await sign_in(browser, desk, identity, osei)
    async with world.connection() as conn:
        await conn.execute("update dashboard.staff_sessions set last_seen = now() - interval '61 minutes'")
    assert (await browser.get(f"{desk.url}/board")).status_code == 303


@pytest.mark.parametrize(
    ("headers", "keeps"),
    [({"accept": "text/html"}, True), ({"accept": "text/event-stream"}, False), ({"hx-request": "true"}, False)],
)
async def test_a_screen_that_refreshes_itself_does_not_keep_a_session_alive(
    world, desk, identity, browser, osei, headers, keeps
):
    await sign_in(browser, desk, identity, osei)
    async with world.connection() as conn:
        await conn.execute("update dashboard.staff_sessions set last_seen = now() - interval '50 minutes'")
        assert (await browser.http.get(f"{desk.url}/board", headers=headers)).status_code == 200
        idle = await conn.fetchval("select now() - last_seen > interval '49 minutes' from dashboard.staff_sessions")
    assert idle is not keeps


async def test_signing_out_ends_it_here_and_with_the_issuer(desk, identity, browser, osei):
    await sign_in(browser, desk, identity, osei)
    answer = await browser.submit(f"{desk.url}/logout")
    assert answer.headers["location"].startswith(f"{identity.url}/end-session")
    gone = await browser.http.get(answer.headers["location"])
    assert gone.headers["location"] == f"{desk.url}/"
    page = await browser.follow(await browser.get(f"{desk.url}/board"))
    assert "Sign in" in page.text, "the issuer asks again"


async def test_no_other_site_can_change_anything_or_sign_somebody_out(desk, identity, browser, osei):
    await sign_in(browser, desk, identity, osei)
    for path in ("/change", "/logout"):
        for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "same-site"}, {"origin": "null"}, {}):
            answer = await browser.http.post(f"{desk.url}{path}", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")
    assert (await browser.submit(f"{desk.url}/change")).json() == {"actor": "staff:osei"}


@pytest.mark.parametrize(
    "evil", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:1", "/a\nb"]
)
async def test_nobody_is_led_to_another_site_after_signing_in(desk, identity, browser, osei, evil):
    await browser.follow(await browser.get(f"{desk.url}/login", next=evil))
    await browser.submit(f"{identity.url}/sign-in/password", username="osei", password=PASSWORD)
    to_callback = await browser.submit(f"{identity.url}/sign-in/code", code=osei.code())
    back = await browser.get(to_callback.headers["location"])
    assert back.headers["location"] == "/"


async def test_an_answer_that_this_browser_did_not_ask_for_is_refused(desk, identity, browser, osei):
    start = await browser.get(f"{desk.url}/login")
    state = parse_qs(urlsplit(start.headers["location"]).query)["state"][0]
    other = Browser()
    for someone, query in ((other, {"state": state}), (browser, {"state": "made-up"}), (browser, {})):
        answer = await someone.get(f"{desk.url}/auth/callback", code="x", **query)
        assert answer.status_code == 400
        assert "Please sign in again" in answer.text
    wrong_code = await browser.get(f"{desk.url}/auth/callback", code="made-up", state=state)
    assert wrong_code.status_code == 400
    denied = await browser.get(f"{desk.url}/auth/callback", error="access_denied", state=state)
    assert denied.status_code == 400
    await other.http.aclose()


async def test_a_made_up_session_is_none(desk, browser):
    for value in ("x" * 43, "", "' or 1=1 --"):
        answer = await browser.http.get(f"{desk.url}/board", headers={"cookie": f"passage_staff={value}"})
        assert answer.status_code == 401


async def test_while_the_issuer_is_away_people_work_on_until_their_token_ends(
    world, desk, identity, browser, osei, monkeypatch
):
    await sign_in(browser, desk, identity, osei)
    await age_access_token(world, desk, 870)

    async def away(*_: Any, **__: Any) -> None:
        raise httpx.ConnectError("away")

    monkeypatch.setattr(desk.app.state.verifier.http, "post", away)
    assert (await browser.get(f"{desk.url}/board")).status_code == 200
    await age_access_token(world, desk, 60)
    answer = await browser.get(f"{desk.url}/board")
    assert answer.status_code == 503
    assert "be reached right now" in answer.text


async def age_access_token(world, desk, seconds):
    """Make every session's access token look older."""
    keyring = desk.service.keyring
    async with world.connection() as conn:
        for row in await conn.fetch("select hash, tokens from dashboard.staff_sessions"):
            tokens = json.loads(open_record(keyring, row["tokens"], purpose=PURPOSE))
            tokens["access_expires"] -= seconds
            sealed = seal_record(keyring, json.dumps(tokens).encode(), purpose=PURPOSE)
            await conn.execute("update dashboard.staff_sessions set tokens = $2 where hash = $1", row["hash"], sealed)
