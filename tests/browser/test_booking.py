"""The booking pages in a real browser: sound at a desk and on a phone, and booked with the keyboard alone."""

import pytest
from playwright.async_api import expect

from tests.support.browser import picture, violations
from tests.support.scheduling import calendar_of
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
async def calendar(world, desk):
    async with calendar_of(world) as made:
        yield made


@pytest.fixture(scope="module")
async def patient(calendar, desk):
    """With a course ahead, and on the board."""
    made = await calendar.patient()
    await calendar.course(made)
    await eventually(lambda: made in desk.running.service.state.live.people)
    return made


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
@pytest.mark.parametrize("place", ["book", "move", "cancel", "hand-over", "day", "people", "away"])
async def test_pages_are_sound(window, calendar, patient, place, phone):
    second = (await calendar.sessions(patient))[1]
    path = {
        "book": f"/patients/{patient}/book",
        "move": f"/patients/{patient}/appointments/{second['id']}/reschedule",
        "cancel": f"/patients/{patient}/appointments/{second['id']}/cancel",
        "hand-over": f"/patients/{patient}/appointments/{second['id']}/hand-over",
        "away": "/today/away",
        "day": f"/today?day={second['starts_at'][:10]}",
        "people": f"/today?day={second['starts_at'][:10]}&by=people",
    }[place]
    page = await window.open(path, phone=phone)
    await page.wait_for_load_state("load")
    await picture(page, f"booking-{place}-{'phone' if phone else 'desk'}")
    assert await violations(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert window.complaints == []


async def test_days_are_walked_through_with_the_keyboard(window, calendar, patient):
    second = (await calendar.sessions(patient))[1]
    page = await window.open(f"/today?day={second['starts_at'][:10]}")
    block = page.locator(".block", has_text="Jo Doe").first
    await expect(block).to_contain_text("dose")
    tall, hour = (await block.bounding_box())["height"], (await page.locator(".hours li").nth(1).bounding_box())["y"]
    assert tall == pytest.approx(3 * (hour - (await page.locator(".hours li").first.bounding_box())["y"]), abs=2)
    await page.keyboard.press("v")
    await expect(page.get_by_role("link", name="People")).to_have_attribute("aria-current", "true")
    await expect(page.locator(".column", has_text="Dr Amara Osei")).to_contain_text("Jo Doe")
    await page.keyboard.press("ArrowLeft")
    await expect(page.locator(".column", has_text="Jo Doe")).to_have_count(0)
    await page.keyboard.press("t")
    await expect(page.get_by_role("link", name="Today", exact=False).last).to_have_attribute("aria-current", "date")


async def test_a_printed_day_is_a_list_whose_columns_stand_apart(window, calendar, patient):
    second = (await calendar.sessions(patient))[1]
    page = await window.open(f"/today?day={second['starts_at'][:10]}")
    await page.set_viewport_size({"width": 700, "height": 900})  # what a sheet of paper leaves
    await page.emulate_media(media="print")
    row = page.locator(".day-list li").first
    when, what = [await row.locator("> span").nth(place).bounding_box() for place in (0, 1)]
    assert when["x"] + when["width"] <= what["x"]
    assert when["y"] == pytest.approx(what["y"], abs=12)
    await expect(row.locator(".chip")).to_be_visible()
    await expect(row.get_by_role("link", name="Open the session")).to_be_hidden()
    await expect(page.locator(".printed")).to_contain_text("by Dana")


async def test_a_consultation_is_booked_with_the_keyboard_alone(window, calendar, desk):
    patient = await calendar.patient()
    await eventually(lambda: patient in desk.running.service.state.live.people)
    page = await window.open(f"/patients/{patient}")
    await page.wait_for_load_state("load")
    await page.keyboard.press("b")
    await page.wait_for_url("**/book")
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(page.locator("#confirm")).to_contain_text("is told at once")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/patients/{patient}")
    assert await calendar.count("appointments where patient_id = $1", patient) == 1
