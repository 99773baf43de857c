"""A real Chromium that looks at real services."""

import os
import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, async_playwright

from tests.support.browser import Window
from tests.support.dashboard import Desk, Producers

CHROMIUM = os.environ.get("PASSAGE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """The system's Chromium; a test that asks for it is skipped by name where there is none."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        await browser.close()


@pytest.fixture(scope="module")
async def desk(world) -> AsyncIterator[Desk]:
    async with world.start("dashboard") as running:
        yield Desk(running)


@pytest.fixture(scope="module")
async def producers(world) -> AsyncIterator[Producers]:
    async with Producers.of(world) as made:
        yield made


@pytest.fixture
async def window(chromium: Browser, desk: Desk) -> AsyncIterator[Window]:
    made = Window(chromium, desk)
    yield made
    for context in made.contexts:
        await context.close()
