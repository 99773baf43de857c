"""Signing in and out as a person does, in a real browser with its policies: keyboard only, and on a phone."""

import pytest

from tests.support.browser import PHONE, picture, violations
from tests.support.sign_in import PASSWORD, enrol


@pytest.fixture(scope="module")
async def identity(world):
    async with world.start("identity") as running:
        yield running


@pytest.fixture(scope="module")
async def dashboard(world, identity):
    async with world.start("dashboard", oidc_issuer=identity.url) as running:
        yield running


@pytest.fixture
async def osei(world, identity):
    async with world.connection("identity") as conn:
        return await enrol(identity, conn, "osei")


@pytest.fixture
async def page(chromium):
    context = await chromium.new_context(locale="en-US")
    page = await context.new_page()
    complaints = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    await context.close()
    assert [said for said in complaints if "422" not in said] == []


async def test_keyboard_only_from_the_board_through_both_factors_and_out_again(page, dashboard, identity, osei):
    await page.goto(dashboard.url)
    assert page.url == f"{identity.url}/sign-in"
    assert await violations(page) == []
    await picture(page, "sign-in")
    await page.keyboard.type("osei")
    await page.keyboard.press("Tab")
    await page.keyboard.type("not the password")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("[role=alert]")
    assert await violations(page) == []
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#code")
    assert await violations(page) == []
    await picture(page, "sign-in-code")
    await page.keyboard.type(osei.code())
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{dashboard.url}/")
    assert "Dr Amara Osei" in await page.inner_text("nav")
    await page.click("form[action='/logout'] button")
    await page.wait_for_url(f"{identity.url}/sign-in")


async def test_confirming_on_a_phone(chromium, dashboard, identity, osei):
    context = await chromium.new_context(viewport=PHONE, locale="es-PR")
    page = await context.new_page()
    await page.goto(dashboard.url)
    await page.fill("#username", "osei")
    await page.fill("#password", PASSWORD)
    await page.keyboard.press("Enter")
    await page.fill("#code", osei.code())
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{dashboard.url}/")
    await page.goto(f"{dashboard.url}/auth/step-up?next=/tasks")
    assert "Confirme que es usted" in await page.inner_text("h1")
    assert await violations(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    await picture(page, "step-up-phone")
    await page.fill("#password", PASSWORD)
    await page.fill("#code", osei.code())
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{dashboard.url}/tasks")
    await context.close()
