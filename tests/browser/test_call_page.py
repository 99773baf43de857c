"""Taking a call: hands on the keyboard, done in well under a minute, and a slip costs one field."""

import time

import pytest
from playwright.async_api import expect

from tests.support.browser import picture, violations
from tests.support.intake import Intake


@pytest.fixture(scope="module")
async def intake(world):
    async with world.start("intake") as running:
        yield await Intake.of(running, world)


async def test_an_enquiry_is_taken_while_talking_with_the_keyboard_alone(window, intake):
    page = await window.open("/")
    began = time.monotonic()
    await page.keyboard.press("c")
    await expect(page.locator("#name")).to_be_focused()
    for words in ("Ana Villa", "801 555 0741", "", "Her sister was here.\nNothing helped so far."):
        await page.keyboard.type(words, delay=20)
        await page.keyboard.press("Tab")
    await page.keyboard.type("Esp")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/patients/*")
    assert time.monotonic() - began < 60
    patient = await intake.patient_of("+18015550741")
    created = dict(await intake.events(patient))["LeadCreated"]
    assert (created["channel"], created["language"], created["consents"]) == ("phone", "es", ["sms"])
    assert (await intake.box(patient)).open(created["message"]) == "Her sister was here.\nNothing helped so far."


@pytest.mark.parametrize(("typed", "wrong"), [("12", "phone"), ("", "phone")])
async def test_a_slip_puts_the_hands_where_it_is(window, intake, typed, wrong):
    page = await window.open("/call")
    await page.keyboard.type("Ana")
    await page.keyboard.press("Tab")
    await page.keyboard.type(typed)
    await page.keyboard.press("Enter")
    await expect(page.locator(f"#{wrong}-error")).to_be_visible()
    await expect(page.locator(f"#{wrong}")).to_be_focused()
    await expect(page.locator("#name")).to_have_value("Ana")
    await picture(page, f"call-slip-{typed or 'none'}")
    assert await violations(page) == []


async def test_what_was_changed_after_a_lost_answer_is_sent_by_the_next_press(window, intake):
    page = await window.open("/call")
    key = await page.locator("input[name=key]").get_attribute("value")
    headers = {**intake.running.as_staff("dana"), "idempotency-key": str(key)}
    said = {"name": "Ana", "phone": "801 555 0742", "language": "en"}
    assert (await intake.http.post("/api/v1/calls", json=said, headers=headers)).status_code == 201
    await page.locator("#phone").fill("801 555 0743")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_be_visible()
    await page.locator("#phone").press("Enter")
    await page.wait_for_url("**/patients/*")
    assert await intake.patient_of("+18015550743") is not None
