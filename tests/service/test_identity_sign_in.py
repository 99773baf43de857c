"""Signing in, stepping up, being locked out and signing out, by the issuer's real pages and endpoints."""

import asyncio
import time

import pytest

from services.identity.issuer import Issuer
from shared.security.bearer import BadToken, Verifier
from tests.support.sign_in import PASSWORD, Browser, Client, claims_of, enrol, sign_in


@pytest.fixture
async def identity(world, start):
    async with world.connection() as conn:
        await conn.execute("truncate identity.rate_limits, identity.attempts")
    return await start("identity")


@pytest.fixture
async def client(world, identity):
    return Client(identity, f"{world.wiring.urls['dashboard']}/auth/callback", world.secrets.dashboard_secret)


@pytest.fixture
async def osei(world, identity):
    async with world.connection("identity") as conn:
        return await enrol(identity, conn, "osei")


@pytest.fixture
async def browser():
    made = Browser()
    yield made
    await made.http.aclose()


async def tokens_for(client, identity, browser, authenticator, **asked):
    answer = await sign_in(browser, identity, client.authorize_url(**asked), "osei", authenticator)
    given = await client.exchange(client.code_of(answer))
    assert given.status_code == 200, given.text
    return given.json()


async def test_a_person_signs_in_with_password_and_code_and_every_service_believes_the_token(
    identity, client, browser, osei
):
    tokens = await tokens_for(client, identity, browser, osei)
    claims = {}
    for name in ("intake", "assessment", "scheduling", "notifications", "dashboard"):
        async with Verifier(identity.url, f"passage:{name}") as verifier:
            claims = await verifier.verify(tokens["access_token"])
    assert claims["sub"] == "osei"
    assert claims["name"] == "Dr Amara Osei"
    assert "provider" in claims["roles"]
    assert claims["amr"] == ["pwd", "otp", "mfa"]
    assert claims["acr"] == "mfa"
    assert abs(claims["auth_time"] - time.time()) < 60
    assert tokens["expires_in"] == 900
    async with Verifier(identity.url, "dashboard") as verifier:
        id_claims = await verifier.verify(tokens["id_token"], nonce=client.nonce)
        assert id_claims["amr"] == ["pwd", "otp", "mfa"]
        with pytest.raises(BadToken):
            await verifier.verify(tokens["id_token"], nonce="another")
        with pytest.raises(BadToken):
            await verifier.verify(tokens["access_token"])
    assert "licence" not in claims_of(tokens["access_token"])


async def test_userinfo_speaks_of_the_tokens_person(identity, client, browser, osei):
    tokens = await tokens_for(client, identity, browser, osei)
    answer = await identity.http.get("/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"})
    assert answer.json()["sub"] == "osei"
    for header in ({}, {"authorization": "Bearer nonsense"}, {"authorization": f"Bearer {tokens['id_token']}"}):
        assert (await identity.http.get("/userinfo", headers=header)).status_code == 401


async def test_who_is_signed_in_gets_a_code_at_once_unless_asked_anew(identity, client, browser, osei):
    await tokens_for(client, identity, browser, osei)
    again = await browser.get(client.authorize_url())
    assert (await client.exchange(client.code_of(again))).status_code == 200
    asked = await browser.get(client.authorize_url(prompt="login"))
    assert asked.headers["location"] == "/sign-in"
    silent = await browser.get(client.authorize_url(prompt="none", max_age="0", acr_values="step-up"))
    assert "error=login_required" in silent.headers["location"]


async def test_step_up_asks_for_both_factors_and_says_so_in_the_tokens(identity, client, browser, osei):
    await tokens_for(client, identity, browser, osei)
    asked = await browser.get(client.authorize_url(acr_values="step-up", max_age="0", prompt="login"))
    page = await browser.follow(asked)
    assert "Confirm that it is you" in page.text
    assert "Dr Amara Osei" in page.text
    code = osei.code()  # a wrong password does not use it up
    wrong = await browser.submit(f"{identity.url}/sign-in/confirm", password="not this one", code=code)
    assert wrong.status_code == 422
    answer = await browser.submit(f"{identity.url}/sign-in/confirm", password=PASSWORD, code=code)
    tokens = (await client.exchange(client.code_of(answer))).json()
    claims = claims_of(tokens["access_token"])
    assert claims["acr"] == "step-up"
    assert abs(claims["auth_time"] - time.time()) < 30


async def test_the_password_alone_is_not_enough(identity, client, browser, osei):
    await browser.get(client.authorize_url())
    await browser.submit(f"{identity.url}/sign-in/password", username="osei", password=PASSWORD)
    for code in ("000000", "", "abcdef", "１２３４５６"):
        answer = await browser.submit(f"{identity.url}/sign-in/code", code=code)
        assert answer.status_code == 422, answer.text
    assert (await browser.get(client.authorize_url(prompt="none"))).headers["location"].count("login_required") == 1


async def test_the_code_alone_is_not_enough(identity, client, browser, osei):
    await browser.get(client.authorize_url())
    answer = await browser.submit(f"{identity.url}/sign-in/code", code=osei.code())
    assert answer.status_code == 400
    assert "start again" in answer.text


async def test_a_code_works_once(identity, client, browser, osei):
    code = osei.code()
    await browser.get(client.authorize_url())
    await browser.submit(f"{identity.url}/sign-in/password", username="osei", password=PASSWORD)
    assert (await browser.submit(f"{identity.url}/sign-in/code", code=code)).status_code == 303
    await browser.get(client.authorize_url(prompt="login"))
    await browser.submit(f"{identity.url}/sign-in/password", username="osei", password=PASSWORD)
    again = await browser.submit(f"{identity.url}/sign-in/code", code=code)
    assert again.status_code == 422
    assert "used already" in again.text


@pytest.mark.parametrize("name", ["tran", "nobody-of-that-name"])
async def test_too_many_wrong_tries_lock_a_name_whether_or_not_it_exists(world, identity, client, browser, name):
    async with world.connection("identity") as conn:
        await enrol(identity, conn, "tran")
    await browser.get(client.authorize_url())
    url = f"{identity.url}/sign-in/password"
    seen = [(await browser.submit(url, username=name, password="wrong again")).status_code for _ in range(7)]
    assert seen == [422] * 6 + [429]
    locked = await browser.submit(url, username=name, password=PASSWORD)
    assert locked.status_code == 429
    assert "too many wrong tries" in locked.text


async def test_guesses_made_at_the_same_moment_count_too(world, identity, client, browser):
    async with world.connection("identity") as conn:
        await enrol(identity, conn, "bell")
    await browser.get(client.authorize_url())
    url = f"{identity.url}/sign-in/password"
    answers = await asyncio.gather(*(browser.submit(url, username="bell", password=f"guess {n}") for n in range(12)))
    assert sorted(answer.status_code for answer in answers) == [422] * 6 + [429] * 6


async def test_who_signed_in_here_before_is_not_locked_out_by_strangers(identity, client, browser, osei):
    await tokens_for(client, identity, browser, osei)
    stranger = Browser()
    await stranger.get(client.authorize_url())
    url = f"{identity.url}/sign-in/password"
    seen = [(await stranger.submit(url, username="osei", password="a guess")).status_code for _ in range(7)]
    assert seen[-1] == 429
    assert (await stranger.submit(url, username="osei", password=PASSWORD)).status_code == 429

    await browser.get(client.authorize_url(acr_values="step-up", prompt="login"))
    confirm = f"{identity.url}/sign-in/confirm"
    stepped = await browser.submit(confirm, password=PASSWORD, code=osei.code())
    assert stepped.status_code == 303, stepped.text
    await browser.get(client.authorize_url(prompt="login"))
    assert (await browser.submit(url, username="osei", password=PASSWORD)).status_code == 303

    wrong = [(await browser.submit(url, username="osei", password="a guess")).status_code for _ in range(7)]
    assert 429 in wrong
    await stranger.http.aclose()


async def test_a_refresh_token_works_once_and_a_copied_one_ends_its_family(world, identity, client, browser, osei):
    first = await tokens_for(client, identity, browser, osei)
    second = (await client.refresh(first["refresh_token"])).json()
    assert claims_of(second["access_token"])["auth_time"] == claims_of(first["access_token"])["auth_time"]
    async with world.connection() as conn:
        await conn.execute("update identity.refresh_tokens set used_at = used_at - interval '1 minute'")
    stolen = await client.refresh(first["refresh_token"])
    assert stolen.status_code == 400
    assert stolen.json()["error"] == "invalid_grant"
    assert (await client.refresh(second["refresh_token"])).status_code == 400


async def test_a_code_is_exchanged_once_by_its_client_with_its_verifier(identity, client, browser, osei):
    await tokens_for(client, identity, browser, osei)

    async def code():
        return client.code_of(await browser.get(client.authorize_url()))

    used = await code()
    first = await client.exchange(used)
    assert first.status_code == 200
    assert (await client.exchange(used)).status_code == 400
    assert (await client.refresh(first.json()["refresh_token"])).status_code == 400, "a copied code ends its family"
    assert (await client.exchange(await code(), secret="wrong")).status_code == 401
    assert (await client.exchange(await code(), code_verifier="x" * 43)).status_code == 400
    assert (await client.exchange(await code(), code_verifier="")).status_code == 400
    assert (await client.exchange(await code(), redirect_uri="https://evil.example/")).status_code == 400
    assert (await client.exchange("not-a-code")).status_code == 400


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "stranger"},
        {"client_id": None},
        {"redirect_uri": "https://evil.example/auth/callback"},
    ],
)
async def test_a_client_or_an_address_that_is_not_registered_gets_no_redirect(client, browser, change):
    answer = await browser.get(client.authorize_url(**change))
    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    "change",
    [
        {"code_challenge": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"nonce": None},
        {"response_type": "token"},
        {"scope": "openid everything"},
    ],
)
async def test_what_a_client_may_not_ask_for_is_sent_back_as_an_error(client, browser, change):
    answer = await browser.get(client.authorize_url(**change))
    assert "error=" in answer.headers.get("location", "") or answer.status_code == 400
    assert "code=" not in answer.headers.get("location", "")


async def test_signing_out_ends_the_session_and_its_refresh_tokens(world, identity, client, browser, osei):
    tokens = await tokens_for(client, identity, browser, osei)
    home = f"{world.wiring.urls['dashboard']}/"
    unasked = await browser.get(f"{identity.url}/end-session", post_logout_redirect_uri=home)
    assert unasked.headers["location"] == "/sign-out", "a link of another site signs nobody out"
    answer = await browser.get(
        f"{identity.url}/end-session", id_token_hint=tokens["id_token"], post_logout_redirect_uri=home
    )
    assert answer.headers["location"] == home
    assert (await client.refresh(tokens["refresh_token"])).status_code == 400
    assert (await browser.get(client.authorize_url())).headers["location"] == "/sign-in"


async def test_a_link_with_somebody_elses_hint_signs_nobody_out(world, identity, client, browser, osei):
    async with world.connection("identity") as conn:
        rios = await enrol(identity, conn, "rios")
    other = Browser()
    answer = await sign_in(other, identity, client.authorize_url(), "rios", rios)
    theirs = (await client.exchange(client.code_of(answer))).json()["id_token"]
    await tokens_for(client, identity, browser, osei)
    led = await browser.get(f"{identity.url}/end-session", id_token_hint=theirs)
    assert led.headers["location"] == "/sign-out"
    assert "code=" in (await browser.get(client.authorize_url(prompt="none"))).headers["location"]
    await other.http.aclose()


async def test_after_signing_out_nobody_is_sent_to_another_site(identity, client, browser, osei):
    tokens = await tokens_for(client, identity, browser, osei)
    answer = await browser.get(
        f"{identity.url}/end-session",
        id_token_hint=tokens["id_token"],
        post_logout_redirect_uri="https://evil.example/",
    )
    assert answer.headers["location"] == "/signed-out"


async def test_a_form_of_another_site_is_refused(identity, client, browser):
    await browser.get(client.authorize_url())
    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}, {}):
        answer = await browser.http.post(
            f"{identity.url}/sign-in/password", data={"username": "osei", "password": PASSWORD}, headers=headers
        )
        assert answer.status_code == 403, headers
        assert answer.json()["code"] == "cross_site"


async def test_who_left_the_clinic_gets_no_token_any_more(world, identity, client, browser, osei, tmp_path):
    tokens = await tokens_for(client, identity, browser, osei)
    clinic = identity.service.clinic
    without = clinic.model_copy(update={"people": tuple(p for p in clinic.people if p.id != "osei")})
    identity.service.clinic = without
    assert (await client.refresh(tokens["refresh_token"])).status_code == 400
    assert "error=access_denied" in (await browser.get(client.authorize_url())).headers["location"]
    await browser.get(client.authorize_url(prompt="login"))
    answer = await browser.submit(f"{identity.url}/sign-in/password", username="osei", password=PASSWORD)
    assert answer.status_code == 422


async def test_nothing_secret_is_readable_in_the_database(world, identity, client, browser, osei):
    tokens = await tokens_for(client, identity, browser, osei)
    async with world.connection() as conn:
        rows = []
        for table in ("accounts", "sessions", "codes", "refresh_tokens", "signing_keys", "sign_ins"):
            rows += [str(dict(row)) for row in await conn.fetch(f"select * from identity.{table}")]
    everything = " ".join(rows)
    secrets = (
        PASSWORD,
        osei.secret,
        tokens["refresh_token"],
        tokens["access_token"],
        '"d":',
        *browser.http.cookies.values(),
    )
    for secret in secrets:
        assert secret not in everything


async def test_signing_in_and_failing_to_is_audited_by_person_only(world, identity, client, browser, osei):
    await browser.get(client.authorize_url())
    await browser.submit(f"{identity.url}/sign-in/password", username="osei", password="my other password")
    async with world.connection() as conn:
        rows = await conn.fetch("select * from identity.audit where action = 'sign_in_failed'")
    assert rows
    assert "my other password" not in str([dict(row) for row in rows])


async def test_keys_rotate_and_old_tokens_stay_good(world, identity, client, browser, osei):
    tokens = await tokens_for(client, identity, browser, osei)
    async with world.connection() as conn:
        await conn.execute("update identity.signing_keys set created_at = created_at - interval '91 days'")
    identity.service.state._loaded = float("-inf")
    published = (await identity.http.get("/jwks")).json()["keys"]
    assert len(published) == 2
    assert all("d" not in key for key in published)
    async with Verifier(identity.url, "passage:intake") as verifier:
        assert (await verifier.verify(tokens["access_token"]))["sub"] == "osei"
        again = await browser.get(client.authorize_url())
        fresh = (await client.exchange(client.code_of(again))).json()
        assert (await verifier.verify(fresh["access_token"]))["sub"] == "osei"


async def test_a_new_key_is_known_everywhere_before_it_signs(world, identity):
    """Two processes of identity: what one makes, the other publishes minutes later."""
    published = {key["kid"] for key in (await identity.http.get("/jwks")).json()["keys"]}
    async with world.connection() as conn:
        await conn.execute("update identity.signing_keys set created_at = created_at - interval '91 days'")
    other = Issuer(identity.service.state.settings, identity.service.keyring)
    async with world.connection("identity") as conn, conn.transaction():
        keys = (await other.provider(conn)).keys
    fresh = {key.kid for key in keys.published} - published
    assert len(fresh) == 1
    assert keys.active.kid in published
    async with world.connection("identity") as conn, conn.transaction():
        await conn.execute("update signing_keys set created_at = now() - interval '2 hours' where kid = $1", *fresh)
        other._loaded = float("-inf")
        assert {(await other.provider(conn)).keys.active.kid} == fresh


async def test_a_problem_speaks_the_readers_language(identity, browser):
    headers = {"accept": "text/html", "accept-language": "es-PR,es;q=0.9"}
    answer = await browser.http.get(f"{identity.url}/sign-in", headers=headers)
    assert answer.status_code == 400
    assert "Empiece de nuevo, por favor" in answer.text
    assert "Please" not in answer.text
