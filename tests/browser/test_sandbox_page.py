"""The phone and the mailbox in a real browser: live, sound for axe-core, usable on a phone and without a script."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page

from tests.support.browser import DESK, PHONE, picture, pressed, violations
from tests.support.sandbox import Sandbox, sandbox

JONAH, IVY = "+18015550148", "+18015550199"


@pytest.fixture
async def outside(world) -> AsyncIterator[Sandbox]:
    async with sandbox(world, inbound_url="", state_file=None) as started:
        await started.text_patient(JONAH, "Harbor Clinic: your visit is tomorrow 11:00. Who takes you home?")
        await started.say(JONAH, "Karin, my wife")
        await started.mail_patient("jonah@example.org", "Your visit", "Tomorrow, 11:00.\n\nHarbor Clinic")
        yield started


class Look:
    """Opens the sandbox's page, and writes down what the browser complained of."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.browser = browser
        self.url = url
        self.contexts: list[BrowserContext] = []
        self.complaints: list[str] = []

    async def __call__(self, **how: Any) -> Page:
        context = await self.browser.new_context(**{"viewport": DESK, **how})
        self.contexts.append(context)
        page = await context.new_page()
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        await page.goto(self.url)
        return page


@pytest.fixture
async def look(chromium: Browser, outside: Sandbox) -> AsyncIterator[Look]:
    made = Look(chromium, str(outside.http.base_url))
    yield made
    for context in made.contexts:
        await context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
async def test_the_page_is_sound(look, viewport, scheme):
    page = await look(viewport=viewport, color_scheme=scheme)
    await picture(page, f"sandbox-{viewport['width']}-{scheme}")
    assert await violations(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert look.complaints == []


async def test_what_comes_in_appears_by_itself_and_leaves_what_is_being_typed_alone(look, outside, eventually):
    page = await look()
    await page.focus("#answer")
    await page.keyboard.type("I am wri")
    for number in range(15):
        await outside.text_patient(JONAH, f"text number {number}")
    await outside.text_patient(IVY, "for somebody else")

    async def newest() -> str:
        return " ".join(str(await page.locator("#texts .bubble").last.inner_text()).split())

    await eventually(newest, equals="Harbor Clinic: text number 14")
    await eventually(lambda: page.locator("#phones summary").is_visible())

    async def in_view() -> bool:
        box = await page.locator("#texts .bubble").last.bounding_box()
        return box is not None and box["y"] < DESK["height"] - 80

    await eventually(in_view)
    await page.keyboard.type("ting")
    assert await page.input_value("#answer") == "I am writing"
    await page.keyboard.press("Enter")
    await eventually(newest, equals="Patient: I am writing")
    assert look.complaints == []


async def test_without_a_script_a_text_is_read_and_answered(look, eventually):
    page = await look(java_script_enabled=False, viewport=PHONE)
    assert "Karin, my wife" in await page.locator("#texts").inner_text()
    assert "Tomorrow, 11:00." in await page.locator("#mails").inner_text()
    await page.get_by_label("Mobile number").fill("(801) 555-0177")
    await page.get_by_label("Text", exact=True).fill("Do you have a free time?")
    await pressed(page.get_by_role("button", name="Send the text"))
    assert "801-555-0177" in await page.locator("#phones").inner_text()
    assert "Do you have a free time?" in await page.locator("#texts").inner_text()


async def test_the_clock_is_moved_with_the_keyboard(look, eventually):
    page = await look()
    before = await page.locator("#clock-now .strong").inner_text()
    await page.get_by_role("button", name="One day on").focus()
    await page.keyboard.press("Enter")

    async def moved():
        return await page.locator("#clock-now .strong").inner_text() != before

    await eventually(moved, tolerate=(Exception,))


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
async def test_calling_and_booking_from_the_page(chromium, world, viewport):
    async with world.start("intake"), sandbox(world, state_file=None) as outside:
        context = await chromium.new_context(viewport=viewport, color_scheme="light")
        page = await context.new_page()
        await page.goto(str(outside.http.base_url))
        await page.get_by_label("Number, empty to withhold it").fill("(801) 555-0155")
        await page.get_by_label("Seconds of voicemail").fill("12")
        await page.get_by_role("button", name="Call", exact=True).click()
        await page.get_by_text("Thank you for calling Harbor Clinic").first.wait_for()
        await page.get_by_label("Phone in Vagaro").fill("(801) 555-0156")
        await page.get_by_role("button", name="Book a first consultation").click()
        await page.get_by_role("button", name="An hour later").click()
        await page.get_by_role("button", name="Cancel").wait_for()
        await picture(page, f"sandbox-ways-{viewport['width']}")
        assert await violations(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.get_by_role("button", name="Cancel").click()
        await page.get_by_role("button", name="Cancel").wait_for(state="detached")
        await context.close()
