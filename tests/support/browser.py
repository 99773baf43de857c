"""Looking at pages as people do: a window on the dashboard, axe-core, pictures that are kept."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, Locator, Page, async_playwright

from shared.web.fetch import VENDOR
from tests.support.dashboard import COOKIE, Desk

RESULTS = Path(__file__).parents[2] / "test-results"
DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],  # all of these; to list what is in order, too, takes three quarters of the time
}
PICTURES = "PASSAGE_TEST_PICTURES" in os.environ
CHROMIUM = os.environ.get("PASSAGE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
"""The system's; None where there is none."""
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    """Chromium without a window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            await browser.close()


class Window:
    """Opens pages of the dashboard as a member of staff, and writes down what the browser complained of."""

    def __init__(self, browser: Browser, desk: Desk) -> None:
        self.browser = browser
        self.desk = desk
        self.contexts: list[BrowserContext] = []
        self.complaints: list[str] = []

    async def open(self, path: str = "/", person: str = "dana", *, phone: bool = False, **how: Any) -> Page:
        """A page in a browser profile of its own."""
        context = await self.browser.new_context(**{"viewport": PHONE if phone else DESK, "locale": "en-US", **how})
        self.contexts.append(context)
        token = await self.desk.token(person)
        await context.add_cookies([{"name": COOKIE, "value": token, "url": self.desk.running.url}])
        return await self._look(context, path)

    async def turn(self, page: Page, path: str) -> Page:
        """Close this page and open another in the same profile: what is cached there need not come again."""
        await page.close()
        return await self._look(page.context, path)

    async def _look(self, context: BrowserContext, path: str) -> Page:
        page = await context.new_page()
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        await page.goto(self.desk.running.url + path)
        return page


async def pressed(button: Locator, key: str | None = None) -> None:
    """Press what leads to another page, or a key in it, and be there: a click returns while the old page stands."""
    async with button.page.expect_navigation():
        await (button.click() if key is None else button.press(key))


async def picture(page: Page, name: str) -> None:
    """Keep a screenshot of the whole page, where a person wants to look at them."""
    if not PICTURES:
        return
    RESULTS.mkdir(exist_ok=True)
    await page.screenshot(path=RESULTS / f"{name}.png", full_page=True)


async def violations(page: Page) -> list[str]:
    """What axe-core finds on the page as it stands, one line per element."""
    # Evaluated in the page's own world by the driver, so that the page keeps its strict content policy.
    await page.evaluate((VENDOR / "dev" / "axe.min.js").read_text())
    found = await page.evaluate("async rules => (await axe.run(document, rules)).violations", RULES)
    return [
        f"{problem['id']}: {node['target']} {node['failureSummary']}" for problem in found for node in problem["nodes"]
    ]
