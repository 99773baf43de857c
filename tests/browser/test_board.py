"""The board and the patient page in a real browser, at a desk and on a phone."""

import pytest
from playwright.async_api import expect

from tests.support.browser import picture, pressed, violations
from tests.support.patients import Cast
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
async def people(desk, producers):
    """Everybody is on the board."""
    found = await Cast(producers).everybody()
    live = desk.running.service.state.live
    await eventually(lambda: len(live.people), equals=9, timeout=60)
    await eventually(lambda: len(live.work), equals=4, timeout=60)
    return found


async def test_pages_fit_at_twice_their_size_and_on_paper(window, people):
    """1280 pixels at 200% are 640; a page that must be scrolled sideways can't be read."""
    page = await window.open(viewport={"width": 640, "height": 400})
    for path in ("/", "/tasks", "/funnel", "/call", f"/patients/{people['theo']}"):
        await page.goto(window.desk.running.url + path)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    await page.emulate_media(media="print", color_scheme="dark")
    await page.set_viewport_size({"width": 794, "height": 1123})
    await expect(page.locator(".printed")).to_be_visible()
    await expect(page.locator(".side")).to_be_hidden()
    await expect(page.get_by_role("link", name="Book")).to_have_count(0)
    await expect(page.locator(".story")).to_contain_text("We texted.")
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    await picture(page, "patient-paper")


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
@pytest.mark.parametrize(
    "place", ["board", "patient", "new", "decision", "tasks", "search", "call", "ride", "stop", "funnel"]
)
async def test_pages_are_sound(window, people, place, phone):
    theo = people["theo"]
    live = window.desk.running.service.state.live
    ride = live.people[theo].patient.next_session()[0]
    path = {
        "board": "/", "patient": f"/patients/{theo}", "new": f"/patients/{people['jonah']}",
        "decision": f"/patients/{people['ivy']}", "tasks": "/tasks", "search": "/", "call": "/call",
        "funnel": "/funnel",
        "ride": f"/patients/{theo}/ride/{ride}",
        "stop": f"/patients/{theo}/stop",
    }[place]  # fmt: skip
    page = await window.open(path, phone=phone)
    if place == "search":
        await page.fill("#search", "lind")
        await pressed(page.locator("#search"), "Enter")
        await expect(page.locator(".list")).to_contain_text("Theo Lindqvist")
    await page.wait_for_load_state("load")
    await picture(page, f"{place}-{'phone' if phone else 'desk'}")
    assert await violations(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert window.complaints == []
