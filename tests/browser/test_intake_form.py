"""The public form in a real browser: phone and desk, by keyboard, without JavaScript, nothing that axe-core minds."""

import pytest

from tests.support.browser import DESK, PHONE, picture, pressed, violations
from tests.support.intake import Intake

TARGETS = "[...document.querySelectorAll('main button, main input:not([type=hidden], [tabindex]), main textarea')]"
LARGE = "it => (it.closest('label') ?? it).getBoundingClientRect().height >= 44"


@pytest.fixture(scope="module")
async def intake(world):
    async with world.start("intake") as running:
        yield await Intake.of(running, world)


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize(("name", "size"), [("phone", PHONE), ("desk", DESK)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_each_page_of_the_form_is_readable_by_everybody(chromium, intake, language, name, size, scheme):
    context = await chromium.new_context(viewport=size, locale="en-US", color_scheme=scheme)
    page = await context.new_page()
    await page.goto(f"{intake.running.url}/?lang={language}")
    for step in ("form", "mistake", "thanks"):
        if step == "mistake":
            await page.locator("#phone").fill("12")
            await pressed(page.locator("main form button"))
            assert await page.locator("#phone-error").is_visible()
        elif step == "thanks":
            await page.locator("#phone").fill("(801) 555-0148")
            await page.locator("main form button").click()
            await page.wait_for_url("**/thanks*")
        await picture(page, f"intake-{step}-{language}-{name}-{scheme}")
        assert await violations(page) == [], step
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), step
        assert await page.evaluate(f"{TARGETS}.every({LARGE})"), step
        assert await page.evaluate("document.documentElement.lang") == language
    await context.close()


async def test_hands_stay_on_the_keyboard_and_no_script_is_needed(chromium, intake):
    context = await chromium.new_context(viewport=PHONE, locale="en-US", java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{intake.running.url}/?lang=en")
    await page.locator("#name").focus()
    for words, then in (("Jonah Price", "Tab"), ("801 555 0177", "Tab"), ("", "Tab"), ("Nothing has helped", "Tab")):
        await page.keyboard.type(words)
        await page.keyboard.press(then)
    await page.keyboard.press("Space")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/thanks*")
    patient = await intake.patient_of("+18015550177")
    created = dict(await intake.events(patient))["LeadCreated"]
    assert created["consents"] == ["sms"]
    assert (await intake.box(patient)).open(created["message"]) == "Nothing has helped"
    await page.reload()
    assert len(await intake.events(patient)) == 3
    await context.close()
