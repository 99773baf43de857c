"""The patient's page of a visit on a telephone: both languages, without JavaScript, nothing that axe-core minds."""

from urllib.parse import urlsplit

import pytest

from services.notifications.handlers.reaching import AFTER
from shared.http import links
from tests.support.browser import DESK, PHONE, picture, pressed, violations
from tests.support.told import told

SMALL = """() => [...document.querySelectorAll(
    'main :is(button, input:not([type=hidden], [type=radio]), textarea, select, label.check, a), :is(header, footer) a'
)].filter(it => it.checkVisibility() && it.getBoundingClientRect().height < 44).map(it => it.outerHTML)"""
"""What a finger would miss: in the page, in what stands above and below it, and the numbers to call."""


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
    await pressed(page.locator("#ride button.primary"))
    assert "Karin Price" in await page.locator("#ride .chip").first.inner_text()
    await page.locator("#item-solids button").first.click()
    assert "✓" in await page.locator("#item-solids .chip").inner_text()
    await pressed(page.locator("#item-sleep button").nth(1))
    await page.locator("#words").fill("I have a cold")
    await pressed(page.locator("#changed button"))
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
    assert await page.evaluate(SMALL) == []
    assert complaints == []
    await looking.close()


@pytest.mark.parametrize("language", ["en", "es"])
async def test_who_takes_them_home_answers_without_javascript(chromium, stack, language):
    _, _, path = await stack.approved()
    context = await chromium.new_context(viewport=PHONE, locale="en-US", java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{stack.running.url}{path}?lang={language}")
    await page.locator("#escort").fill("Karin Price")
    await pressed(page.locator("#ride button.primary"))
    link = urlsplit(await page.locator("#escort-link").input_value()).path
    await page.goto(f"{stack.running.url}{link}?lang={language}")
    await looked_at(chromium, stack, f"{link}?lang={language}", f"escort-{language}")
    await pressed(page.locator("button.primary"))
    assert "✓" in await page.locator("[role=status]").inner_text()
    await context.close()


@pytest.mark.parametrize("language", ["en", "es"])
async def test_the_day_after_is_answered_without_javascript(chromium, stack, language):
    patient, booked, _ = await stack.approved()
    async with stack.running.service.transaction(actor="test") as uow:
        await uow.conn.execute("update visits set state = 'done' where id = $1", booked[0].appointment_id)
        token = await links.issue(
            uow, purpose=AFTER, subject=patient, expires_at=booked[-1].ends_at,
            data={"visit": str(booked[0].appointment_id)},
        )  # fmt: skip
    await looked_at(chromium, stack, f"/s/{token}?lang={language}", f"after-{language}")
    context = await chromium.new_context(viewport=PHONE, locale="en-US", java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{stack.running.url}/s/{token}?lang={language}")
    await page.locator("input[value=unwell]").check()
    await page.locator("#nausea").select_option("severe")
    await pressed(page.locator("button.primary"))
    assert "911" in await page.locator("[role=alert]").inner_text()
    await context.close()


async def looked_at(chromium, stack, path: str, name: str) -> None:
    """At phone and desk size: nothing that axe-core minds, nothing too small to press, nothing to scroll sideways."""
    for size, viewport in (("phone", PHONE), ("desk", DESK)):
        context = await chromium.new_context(viewport=viewport, locale="en-US", color_scheme="light")
        page = await context.new_page()
        await page.goto(f"{stack.running.url}{path}")
        await picture(page, f"{name}-{size}")
        assert await violations(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert await page.evaluate(SMALL) == []
        await context.close()
