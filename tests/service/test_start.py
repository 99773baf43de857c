"""Every service comes up against a real database and broker, and says so."""

import pytest

from shared.db.migrate import SERVICES


@pytest.mark.parametrize("name", SERVICES)
async def test_a_service_comes_up_and_is_ready(start, eventually, name):
    running = await start(name)
    assert (await running.http.get("/live")).status_code == 200

    async def ready():
        answer = await running.http.get("/ready")
        assert answer.status_code == 200, answer.text
        return True

    await eventually(ready)
