"""The pages for developers: what they show can be copied and run, and everybody can read them."""

import asyncio
import json
import os
import re
import shutil
import sys
from html import unescape

import httpx
import pytest

from services.dashboard.app import create
from services.dashboard.reference import documents
from services.dashboard.settings import DashboardSettings
from shared.contracts.base import SOURCES
from shared.contracts.registry import EVENTS
from tests.support.browser import picture, violations
from tests.support.intake import Intake
from tests.support.waiting import eventually

PAGES = {"doors": "", "http": "/http/notifications", "events": "/events/notifications"}


@pytest.fixture(scope="module")
async def intake(world):
    async with world.start("intake") as running:
        yield await Intake.of(running, world)


@pytest.fixture
async def page(desk, intake):
    """The first page's source, as operations see it."""
    async with await desk.as_staff("ops") as browser:
        yield (await browser.get("/developers")).text


def copied(page: str, name: str) -> str:
    """What somebody copies out of a box."""
    [text] = re.findall(rf'<pre[^>]* id="{name}"[^>]*><code>(.*?)</code>', page, re.DOTALL)
    return unescape(text)


async def run(*command: str, **variables: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, **variables}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    return out.decode()


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
async def test_the_command_on_the_page_hands_in_a_contact(page, intake):
    command = copied(page, "curl")
    told = json.loads(await run("bash", "-c", command, PASSAGE_API_KEY=intake.key))
    assert told["patient_id"] == str(await intake.patient_of("+13035550148"))
    assert json.loads(await run("bash", "-c", command, PASSAGE_API_KEY=intake.key)) == told
    refused = json.loads(await run("bash", "-c", command, PASSAGE_API_KEY="pk_invented"))
    row = f'<tr><td>401</td><th scope="row"><code>{refused["code"]}</code></th><td>{refused["title"]}</td>'
    assert f"{row}<td>{refused['remedy']}</td></tr>" in page


async def test_the_program_on_the_page_hands_in_a_contact_over_kafka(page, intake, world):
    await world.topics()
    program = copied(page, "kafka").replace("555-0148", "555-0149").replace("jonah@", "ana@")
    await run(sys.executable, "-c", program)
    patient = await eventually(lambda: intake.patient_of("+13035550149"), timeout=30)
    assert await intake.names(patient) == ["LeadCreated", "ConsentGiven", "TaskRaised"]


@pytest.mark.parametrize(("place", "phone"), [("doors", False), ("http", True), ("events", True)], ids=str)
async def test_pages_are_sound_without_javascript(window, place, phone):
    page = await window.open(f"/developers{PAGES[place]}", "ops", phone=phone)
    await picture(page, f"developers-{place}-{'phone' if phone else 'desk'}")
    assert await violations(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await page.locator("script").count() == 0
    assert window.complaints == []


async def test_every_api_and_every_event_has_its_place(desk):
    async with await desk.as_staff("ops") as browser:
        for name in documents.services():
            shown = (await browser.get(f"/developers/http/{name}?lang=es")).text
            for path, methods in documents.openapi(name)["paths"].items():
                assert all(f"<code>{method.upper()} {path}</code>" in shown for method in methods), path
            document = (await browser.get(f"/developers/openapi/{name}.json")).json()
            assert document["servers"] == [{"url": desk.running.service.settings.urls[name]}]
        for source in SOURCES:
            shown = (await browser.get(f"/developers/events/{source}")).text
            assert [event.__name__ for event in EVENTS[source] if f'<h2 id="{event.__name__}"' not in shown] == []
            assert (await browser.get(f"/developers/asyncapi/{source}.json")).json()["asyncapi"] == "3.0.0"
        for nothing in ("http/dashboard", "events/identity", "openapi/..%2Fx.json", "schemas/intake/Nothing.v1.json"):
            assert (await browser.get(f"/developers/{nothing}")).status_code == 404
        promised = (await browser.get("/developers/schemas/intake/LeadCreated.v1.json")).json()
        assert promised == documents.schema("intake", "LeadCreated.v1")


async def test_where_the_operator_opened_them_nobody_signs_in(world):
    changes = {"developers_open": True, "producers_url": "https://clinic.example/"}
    app = create(DashboardSettings(**world.wiring.settings("dashboard"), **changes))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://dashboard") as anybody:
        shown = await anybody.get("/developers", headers={"accept": "text/html"})
    assert shown.status_code == 200
    assert "curl -sS https://clinic.example/api/v1/leads" in shown.text
