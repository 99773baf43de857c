"""Every service comes up against a real database and broker, and says so."""

import asyncio

import pytest

from services.dashboard.live import Live
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


async def test_nobody_is_sent_to_a_dashboard_that_has_not_read_everybody(start, eventually, monkeypatch):
    held, fill = asyncio.Event(), Live._fill

    async def later(live, service):
        await held.wait()
        await fill(live, service)

    monkeypatch.setattr(Live, "_fill", later)
    running = await start("dashboard")

    async def reasons():
        return (await running.http.get("/ready")).json()["reasons"]

    await eventually(reasons, equals={"board": "is being filled"})
    held.set()
    await eventually(reasons, equals={})
