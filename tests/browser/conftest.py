"""A real Chromium that looks at real services."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from tests.support.browser import CHROMIUM, Window, launched
from tests.support.dashboard import Desk, Producers


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """The system's Chromium; a test that asks for it is skipped by name where there is none."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    async with launched() as browser:
        yield browser


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
