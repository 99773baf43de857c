"""The form within the clinic's own website: another origin, no cookies, and nobody else's page around it."""

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from starlette.responses import HTMLResponse

from deploy.embedded.processes import any_free_port
from tests.support.browser import DESK, PHONE, picture, violations
from tests.support.intake import Intake
from tests.support.serving import serving
from tests.support.waiting import eventually


class Site:
    """The clinic's website, as its own makers wrote it."""

    def __init__(self) -> None:
        self.port = any_free_port()
        self.form = ""
        self.app = FastAPI()

        @self.app.get("/contact")
        async def contact(lang: str = "en") -> HTMLResponse:
            return HTMLResponse(
                f'<!doctype html><html lang="{lang}"><head><title>Contact</title>'
                '<meta name="viewport" content="width=device-width"></head><body><main><h1>Contact</h1>'
                f'<iframe src="{self.form}/?embed=1&amp;lang={lang}" title="Write to Harbor Clinic" '
                'style="width:100%;height:1100px;border:0"></iframe></main></body></html>'
            )


@pytest.fixture(scope="module")
async def site() -> AsyncIterator[Site]:
    made = Site()
    async with serving(made.app, made.port):
        yield made


@pytest.fixture(scope="module")
async def intake(world, site):
    async with world.start("intake", frame_ancestors=[f"http://localhost:{site.port}"]) as running:
        site.form = running.url
        yield await Intake.of(running, world)


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize(("name", "size"), [("phone", PHONE), ("desk", DESK)])
async def test_it_is_filled_in_within_the_clinics_site(chromium, intake, site, language, name, size):
    # A browser that keeps no cookies of others, as most do.
    context = await chromium.new_context(viewport=size, locale="en-US", java_script_enabled=name == "desk")
    page = await context.new_page()
    await page.goto(f"http://localhost:{site.port}/contact?lang={language}")
    frame = page.frame_locator("iframe")
    await frame.locator("#phone").fill("12")
    await frame.locator("main form button").click()
    await frame.locator("#phone-error").wait_for()
    number = f"+1801556{3000 + 10 * len(name) + len(language) + (language == 'es')}"
    await frame.locator("#phone").fill(number)
    await picture(page, f"intake-embedded-{language}-{name}")
    await frame.locator("main form button").click()
    await frame.get_by_text("Thank you." if language == "en" else "Gracias.").first.wait_for()
    assert await intake.patient_of(number) is not None
    again = frame.locator("main a").last
    assert "embed=1" in str(await again.get_attribute("href"))
    await context.clear_cookies()
    await again.click()
    await frame.locator("#phone").wait_for()
    assert await frame.locator("html").get_attribute("lang") == language
    await context.close()


async def test_it_is_slim_and_sound(chromium, intake):
    context = await chromium.new_context(viewport=PHONE, locale="en-US")
    page = await context.new_page()
    await page.goto(f"{intake.running.url}/?embed=1")
    assert await violations(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await page.locator("footer").inner_text() == await page.locator("aside").inner_text()
    await context.close()


async def test_nobody_else_may_show_it(chromium, intake, site):
    policy = (await intake.http.get("/?embed=1")).headers["content-security-policy"]
    assert f"frame-ancestors http://localhost:{site.port}" in policy
    context = await chromium.new_context()
    page = await context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    await page.goto(f"http://127.0.0.1:{site.port}/contact")
    await eventually(lambda: any("frame-ancestors" in text for text in said))
    assert await page.frame_locator("iframe").locator("#phone").count() == 0
    await context.close()
