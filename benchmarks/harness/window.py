"""A real Chromium at a page: when it first paints, and when what happened stands in it."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from playwright.async_api import Browser, BrowserContext, Page

FIRST_PAINT = """
() => new Promise(done => new PerformanceObserver(seen => {
    for (const entry of seen.getEntries()) if (entry.name === "first-contentful-paint") done(entry.startTime)
}).observe({type: "paint", buffered: true}))
"""
WATCH = """
() => {
    window.marks = []
    const look = node => {
        const now = performance.now()
        for (const found of node.textContent.matchAll(/mark-([0-9]{6})/g)) window.marks.push([Number(found[1]), now])
    }
    new MutationObserver(seen => {
        for (const one of seen) {
            if (one.type === "characterData") look(one.target)
            one.addedNodes.forEach(look)
        }
    }).observe(document.body, {subtree: true, childList: true, characterData: true})
}
"""
TAKE = "() => window.marks.splice(0)"
NOW = "() => performance.now()"
ASKED = 20
"""How often the page is asked for its clock; the quickest answer counts."""


@dataclass(frozen=True, slots=True)
class Window:
    """An open page. `began` is the moment by this process's clock at which the page's own began."""

    page: Page
    began: float

    async def seen(self) -> list[tuple[int, float]]:
        """The marks that came into the page since it was asked last, and when, by this process's clock."""
        return [(mark, self.began + at / 1_000) for mark, at in await self.page.evaluate(TAKE)]


async def painted(browser: Browser, url: str, cookie: tuple[str, str], times: int) -> list[float]:
    """Milliseconds from asking for the page until something of it is seen, each time with nothing cached."""
    found: list[float] = []
    for _ in range(times):
        context = await _signed_in(browser, url, cookie)
        page = await context.new_page()
        await page.goto(url)
        found.append(await page.evaluate(FIRST_PAINT))
        await context.close()
    return found


@asynccontextmanager
async def watching(browser: Browser, url: str, cookie: tuple[str, str]) -> AsyncIterator[Window]:
    """The page, open and watched for marks."""
    context = await _signed_in(browser, url, cookie)
    try:
        page = await context.new_page()
        await page.goto(url)
        await page.evaluate(WATCH)
        yield Window(page, await _began(page))
    finally:
        await context.close()


async def _signed_in(browser: Browser, url: str, cookie: tuple[str, str]) -> BrowserContext:
    context = await browser.new_context(viewport={"width": 1680, "height": 1050}, locale="en-US")
    name, value = cookie
    await context.add_cookies([{"name": name, "value": value, "url": url}])
    return context


async def _began(page: Page) -> float:
    """Both clocks are the machine's monotonic one; the page's begins with the page."""
    answers: list[tuple[float, float]] = []
    for _ in range(ASKED):
        before = time.perf_counter()
        told = await page.evaluate(NOW)
        after = time.perf_counter()
        answers.append((after - before, (before + after) / 2 - told / 1_000))
    return min(answers)[1]
