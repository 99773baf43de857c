"""The patient's own page on a telephone: told and signed without JavaScript, nothing that axe-core minds."""

import pytest

from tests.support.browser import DESK, PHONE, picture, pressed, violations
from tests.support.kernel import create_lead
from tests.support.waiting import eventually

STEPS = ("", "about", "medicines", "tried", "goals", "consent-im", "consent-lozenge")
SMALL = "[...document.querySelectorAll('main button, main input:not([type=hidden], [type=checkbox]), main select')]"


@pytest.fixture(scope="module")
async def assessment(world):
    async with world.start("assessment") as running:
        yield running


@pytest.fixture(scope="module")
async def intake(world):
    async with world.start("intake") as running:
        yield running


@pytest.fixture
async def link(assessment, intake):
    patient = await create_lead(intake.service)

    async def given():
        headers = assessment.as_staff("dana")
        answer = await assessment.http.post(f"/api/v1/charts/{patient}/link", headers=headers)
        return answer.json().get("url")

    return await eventually(given)


@pytest.mark.parametrize("language", ["en", "es"])
async def test_a_patient_tells_and_signs_without_javascript(chromium, link, language):
    context = await chromium.new_context(viewport=PHONE, locale="en-US", java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{link}?lang={language}")
    await page.locator("main nav a").first.click()
    await page.locator("#born").fill("1980-04-02")
    await page.locator("input[value=REL_CV]").check()
    await pressed(page.locator("button.primary"))
    await page.locator("#medications-0-name").fill("Lithium")
    await pressed(page.locator("button[name=more]"))
    assert await page.locator("#medications-0-name").input_value() == "Lithium"
    await pressed(page.locator("button.primary"))
    await page.locator("#trials-0-name").fill("Sertraline")
    await page.locator("#trials-0-outcome").select_option("partial")
    await pressed(page.locator("button.primary"))
    await page.locator("#hopes").fill("To sleep")
    await pressed(page.locator("button.primary"))
    assert await page.locator(".chip.ok").count() == 5
    await pressed(page.locator("main nav a").nth(4))
    await page.locator("#name").fill("Jo Doe")
    await pressed(page.locator("button.primary"))
    assert await page.locator("#name").input_value() == "Jo Doe"
    await page.locator("input[name=agreed]").check()
    await pressed(page.locator("button.primary"))
    assert await page.locator(".chip.ok").count() == 6
    assert await page.locator("html").get_attribute("lang") == language
    await context.close()


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
async def test_every_step_is_sound(chromium, link, language, viewport):
    context = await chromium.new_context(viewport=viewport, locale="en-US", color_scheme="light")
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    for step in STEPS:
        await page.goto(f"{link}?lang={language}&step={step}")
        size = "phone" if viewport == PHONE else "desk"
        await picture(page, f"telling-{step or 'all'}-{language}-{size}")
        assert await violations(page) == [], step
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), step
        assert await page.evaluate(f"{SMALL}.every(it => it.getBoundingClientRect().height >= 44)"), step
    assert complaints == []
    await context.close()
