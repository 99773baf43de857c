"""Names as people have them, and more work than fits: nothing is cut off, pushed out of its place or left unsaid."""

import pytest
from playwright.async_api import expect

from services.dashboard.boards import NEEDS_LIMIT
from tests.support.browser import picture, pressed
from tests.support.patients import Cast
from tests.support.waiting import eventually

LONG = "Wolfeschlegelsteinhausenbergerdorff-Featherstonehaugh Fernández-Villaverde y Sánchez-Montealegre"
UNBROKEN = "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch"
ARABIC = "محمد عبد الرحمن"
OVERFLOWS = """() => [...document.querySelectorAll('.who, .card a, h1')].filter(
    it => it.scrollWidth > it.clientWidth + 1 && getComputedStyle(it).display !== 'inline'
        && !it.classList.contains('unseen')).map(it => it.textContent.trim())"""


@pytest.fixture(scope="module")
async def people(desk, producers):
    """Fourteen who wait, two more than the board lists."""
    cast = Cast(producers)
    named = [await cast.caller(name, "Hello. عندي سؤال", minutes=5) for name in (LONG, UNBROKEN, ARABIC)]
    for number in range(NEEDS_LIMIT - 1):
        await cast.caller(f"Patient {number}", "Hello", minutes=20)
    await eventually(lambda: len(desk.running.service.state.live.work), equals=NEEDS_LIMIT + 2, timeout=60)
    return dict(zip((LONG, UNBROKEN, ARABIC), named, strict=True))


@pytest.mark.parametrize("width", [390, 1024, 1440])
async def test_no_name_leaves_its_place(window, people, width):
    page = await window.open(viewport={"width": width, "height": 844})
    for path in ("/", "/tasks", *(f"/patients/{one}" for one in people.values())):
        await page.goto(window.desk.running.url + path)
        await page.wait_for_load_state("load")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert await page.evaluate(OVERFLOWS) == [], path
    await page.goto(window.desk.running.url)
    await picture(page, f"awkward-{width}")


async def test_words_from_right_to_left_leave_what_stands_around_them_alone(window, people):
    page = await window.open()
    for place in (page.locator(".who .strong", has_text=ARABIC), page.locator(".needs q").first):
        assert await place.evaluate("it => getComputedStyle(it).unicodeBidi") == "isolate"


async def test_a_list_that_is_cut_says_so_and_leads_to_the_rest(window, people):
    page = await window.open()
    await expect(page.locator(".needs li")).to_have_count(NEEDS_LIMIT)
    rest = page.get_by_role("link", name=f"Show all {NEEDS_LIMIT + 2}, the most urgent first")
    await page.keyboard.press("j")
    for _ in range(NEEDS_LIMIT):
        await page.keyboard.press("j")
    await expect(rest).to_be_focused()
    await pressed(rest, "Enter")
    await expect(page.locator(".needs li")).to_have_count(NEEDS_LIMIT + 2)


async def test_who_asks_often_still_has_a_story_in_sight_and_what_is_opened_stays_open(window, desk, producers):
    cast = Cast(producers)
    patient = await cast.caller("Writes Often", "Hello", minutes=30)
    for number in range(9):
        await cast.task("notifications", patient, "read-answer", f"Question {number}", minutes=40 + number)
    live = desk.running.service.state.live
    await eventually(lambda: sum(1 for it in live.work.values() if it.patient_id == patient), equals=10)
    page = await window.open(f"/patients/{patient}")
    await expect(page.locator(".tasks li:visible")).to_have_count(6)
    await page.locator(".story li").first.wait_for()
    await page.get_by_text("4 more").click()
    await expect(page.locator(".tasks li:visible")).to_have_count(10)
    await cast.task("notifications", patient, "read-answer", "Question 9", minutes=60)
    await expect(page.locator(".tasks li:visible")).to_have_count(11, timeout=10_000)
