"""The patient's page of a visit on a telephone: both languages, without JavaScript, nothing that axe-core minds."""

import pytest

from tests.support.browser import PHONE, picture, violations
from tests.support.told import told


@pytest.fixture(scope="module")
async def stack(world):
    async with told(world) as made:
        yield made


@pytest.mark.parametrize("language", ["en", "es"])
async def test_a_patient_answers_one_by_one_without_javascript(chromium, stack, language):
    _, _, path = await stack.approved()
    context = await chromium.new_context(viewport=PHONE, locale="en-US", java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{stack.running.url}{path}?lang={language}")
    await page.locator("#escort").fill("Karin Price")
    await page.locator("#ride button.primary").click()
    assert "Karin Price" in await page.locator("#ride .chip").inner_text()
    await page.locator("#item-solids button").first.click()
    assert "✓" in await page.locator("#item-solids .chip").inner_text()
    await page.locator("#item-sleep button").nth(1).click()
    await page.locator("#words").fill("I have a cold")
    await page.locator("#changed button").click()
    assert await page.locator("[role=status]").count() == 1
    await context.close()

    looking = await chromium.new_context(viewport=PHONE, locale="en-US", color_scheme="light")
    page = await looking.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    await page.goto(f"{stack.running.url}{path}?lang={language}")
    await picture(page, f"visit-{language}")
    assert await violations(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    small = "[...document.querySelectorAll('main button, main input:not([type=hidden]), main textarea, main a')]"
    assert await page.evaluate(f"{small}.every(it => it.getBoundingClientRect().height >= 44)")
    assert complaints == []
    await looking.close()
