"""Where the journeys take place."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.stack import started
from tests.support.story import Story


@pytest.fixture(scope="module")
async def story(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    """A stack of the module's own, whose clock may be moved, and the people of its story."""
    stack, _ = await started(tmp_path_factory.mktemp("journey") / "state")
    async with httpx.AsyncClient(base_url=stack.url("sandbox"), timeout=200) as sandbox:
        told = Story(stack, sandbox)
        yield told
        for person in (told.patient, *told.people.values()):
            await person.close()
    await stack.stop()
