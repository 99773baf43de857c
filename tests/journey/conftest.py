"""Where the journeys take place."""

from collections.abc import AsyncIterator

import httpx
import pytest

from deploy.embedded.processes import any_free_port
from passage.demo.run import QUICK
from shared.db.migrate import SERVICES
from tests.support.collector import Collector
from tests.support.serving import serving
from tests.support.stack import started
from tests.support.story import Story


@pytest.fixture(scope="module")
async def story(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    """A stack of the module's own, whose clock may be moved, and the people of its story."""
    collector, port = Collector(), any_free_port()
    settings = {name: {"otlp_endpoint": f"http://127.0.0.1:{port}"} | QUICK.get(name, {}) for name in SERVICES}
    settings["sandbox"] = QUICK["sandbox"] | {"settle_seconds": 0.4}
    stack, _ = await started(tmp_path_factory.mktemp("journey") / "state", settings=settings)
    async with (
        serving(collector.app, port),
        httpx.AsyncClient(base_url=stack.url("sandbox"), timeout=200) as sandbox,
    ):
        told = Story(stack, sandbox, collector)
        yield told
        for person in (told.patient, *told.people.values()):
            await person.close()
        await stack.stop()
