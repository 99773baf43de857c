"""What others change appears in place: no reload, no stolen focus, nothing moved; and hands on the keyboard."""

import asyncio
import contextlib
import time
from urllib.parse import urlsplit

import pytest
from playwright.async_api import expect

from deploy.embedded.processes import any_free_port
from tests.support.browser import picture, violations
from tests.support.patients import Cast
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
async def cast(desk, producers):
    """Two people wait, so that there is a list to walk through."""
    made = Cast(producers)
    await made.caller("Jonah Price", "Hello", minutes=12)
    await made.caller("Wei Zhang", "Good evening", minutes=40)
    await eventually(lambda: len(desk.running.service.state.live.work), equals=2, timeout=60)
    return made


async def test_a_card_appears_in_place_within_a_second(window, cast):
    page = await window.open()
    await expect(page.locator("#live")).to_contain_text("Live")
    await page.evaluate("window.stillHere = true")
    began = time.monotonic()
    await cast.caller("Maya Lindqvist", "Is there a time this week?", minutes=15)
    await page.locator(".card", has_text="Maya Lindqvist").wait_for(timeout=5_000)
    took = time.monotonic() - began
    assert await page.evaluate("window.stillHere")
    assert took < 1.5, f"{took:.2f} s, of which the events themselves took some"
    await expect(page.locator("[data-count=tasks]")).to_have_text("3")
    assert window.complaints == []


async def test_what_comes_is_taken_in_once_however_much_came_before(window, cast):
    """Else a board that stands open all day has more to do with every change."""
    page = await window.open()
    await page.evaluate(
        "window.taken = []; document.addEventListener('htmx:sseBeforeMessage', (it) => window.taken.push(it.detail))"
    )
    for name in ("Nora Lane", "Omar Lane", "Pia Lane", "Quinn Lane"):
        await cast.caller(name, "Is there a time?", minutes=900)
        await page.locator(".card", has_text=name).wait_for()
    taken, different = await page.evaluate("[window.taken.length, new Set(window.taken).size]")
    assert taken == different >= 4


async def test_a_patients_page_asks_once_for_each_change(window, cast):
    patient = await cast.caller("Rita Moss", "Hello", minutes=900)
    await eventually(lambda: patient in window.desk.running.service.state.live.people)
    page = await window.open(f"/patients/{patient}")
    asked = []
    page.on("request", lambda sent: asked.append(urlsplit(sent.url).path))
    for number in range(4):
        await cast.task("intake", patient, "listen-voicemail", f"Message {number}", minutes=900)
        await page.locator(".tasks", has_text=f"Message {number}").wait_for()
    assert 1 <= asked.count(f"/patients/{patient}/parts") <= 4


async def test_the_focus_stays_where_it_is(window, cast):
    page = await window.open()
    link = page.locator(".card", has_text="Jonah Price").locator("a").first
    await link.focus()
    await cast.caller("Aaron Early", "First of all", minutes=1)
    await page.locator(".card", has_text="Aaron Early").wait_for()
    await expect(link).to_be_focused()


async def test_nothing_moves_under_the_pointer(window, cast):
    page = await window.open()
    row = page.locator(".needs li", has_text="Wei Zhang")
    await row.hover()
    before = await row.bounding_box()
    await cast.caller("Zora Soon", "Before all others", minutes=0.5)
    await page.locator(".needs li", has_text="Zora Soon").wait_for()
    assert await row.bounding_box() == before


async def test_hands_stay_on_the_keyboard(window, cast):
    page = await window.open()
    await page.keyboard.press("j")
    first = await page.evaluate("document.activeElement.closest('[data-item]').dataset.key")
    await page.keyboard.press("j")
    second = await page.evaluate("document.activeElement.closest('[data-item]').dataset.key")
    assert first != second
    await page.keyboard.press("k")
    assert await page.evaluate("document.activeElement.closest('[data-item]').dataset.key") == first
    await page.keyboard.press("?")
    await expect(page.locator("#keys")).to_be_visible()
    await picture(page, "keys")
    await page.keyboard.press("Escape")
    await page.keyboard.press("/")
    await expect(page.locator("#search")).to_be_focused()
    await page.keyboard.type("wei")
    await page.keyboard.press("Enter")
    await expect(page.locator(".list")).to_contain_text("Wei Zhang")
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_have_text("Wei Zhang")
    await page.keyboard.press("c")
    await expect(page.locator("h1")).to_have_text("Take a call")


async def test_somebody_is_found_while_typing_without_leaving_the_keyboard(window, cast):
    page = await window.open()
    sent = []
    page.on("request", lambda request: sent.append(request.url))
    box, found = page.locator("#search"), page.locator("#found")
    await page.keyboard.press("/")
    await page.keyboard.type("zhang", delay=20)
    option = found.get_by_role("option", name="Wei Zhang")
    await expect(option).to_be_visible()
    assert len([url for url in sent if url.endswith("/patients/found")]) == 1, "one question for five letters"
    await page.keyboard.press("ArrowDown")
    await expect(option).to_have_attribute("aria-selected", "true")
    await expect(box).to_have_attribute("aria-activedescendant", await option.get_attribute("id"))
    await picture(page, "search-typing")
    assert await violations(page) == []
    await page.keyboard.press("Escape")
    await expect(found).to_be_hidden()
    await expect(box).to_be_focused()
    await expect(box).to_have_attribute("aria-expanded", "false")
    await page.keyboard.type("x", delay=20)
    await expect(page.locator("#found-said")).to_have_text("Nobody found")
    await page.keyboard.press("Backspace")
    await expect(option).to_be_visible()
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_have_text("Wei Zhang")
    assert not [url for url in sent if "zhang" in url.lower()]
    assert window.complaints == []


async def test_letters_in_a_field_are_letters(window, cast):
    page = await window.open("/call")
    await page.locator("#name").fill("")
    await page.locator("#name").press_sequentially("jack c/k?")
    await expect(page.locator("#name")).to_have_value("jack c/k?")


async def test_a_lost_connection_becomes_a_sentence(window, cast):
    page = await window.open()
    await expect(page.locator("#live")).to_contain_text("Live")
    await page.context.set_offline(True)
    await expect(page.locator("#live")).to_contain_text("The connection is lost", timeout=15_000)
    await page.context.set_offline(False)
    await expect(page.locator("#live")).to_contain_text("Live", timeout=15_000)


async def test_a_page_that_hears_of_nothing_does_not_say_that_it_is_live(window, cast):
    page = await window.open("/call")
    await expect(page.locator("#live")).to_be_hidden()
    await page.context.set_offline(True)
    await expect(page.locator("#live")).to_contain_text("The connection is lost", timeout=15_000)


async def test_done_can_be_taken_back(window, cast):
    page = await window.open()
    row = page.locator(".needs li", has_text="Jonah Price")
    await row.get_by_role("button", name="Done").click()
    await expect(row).to_be_hidden()
    await page.get_by_role("button", name="Undo").click()
    await expect(row).to_be_visible()


class Wire:
    """A connection to the dashboard that can be cut, and mended at the same address."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.port = any_free_port()
        self._open: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self.port)

    async def cut(self) -> None:
        """Nothing comes through, and nobody answers."""
        assert self._server is not None
        self._server.close()
        for writer in self._open:
            writer.transport.abort()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        self._open |= {writer, back}
        for source, sink in ((reader, back), (there, writer)):
            pump = asyncio.create_task(_pump(source, sink))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    sink.close()


async def test_a_cut_connection_is_told_and_goes_on_without_a_gap(window, cast):
    wire = Wire(urlsplit(window.desk.running.url).port)
    await wire.mend()
    page = await window.open()
    await page.goto(f"http://127.0.0.1:{wire.port}/")
    await expect(page.locator("#live")).to_contain_text("Live")
    await cast.caller("Before Cut", "Heard live", minutes=20)
    await page.locator(".card", has_text="Before Cut").wait_for()
    await page.evaluate("window.stillHere = true")
    await wire.cut()
    await cast.caller("While Cut", "Heard by nobody", minutes=25)
    live = window.desk.running.service.state.live
    await eventually(lambda: any(who.name == "While Cut" for who in live.people.values()))
    await expect(page.locator("#live")).to_contain_text("The connection is lost", timeout=10_000)
    await expect(page.locator(".card", has_text="While Cut")).to_have_count(0)
    await wire.mend()
    await page.locator(".card", has_text="While Cut").wait_for(timeout=10_000)
    await expect(page.locator("#live")).to_contain_text("Live")
    await cast.caller("After Cut", "Heard live again", minutes=30)
    await page.locator(".card", has_text="After Cut").wait_for(timeout=5_000)
    assert await page.evaluate("window.stillHere")
    shown = await page.locator(".card a").all_text_contents()
    assert {"Before Cut", "While Cut", "After Cut"} <= set(shown)
    assert len(shown) == len(set(shown))
    await page.goto("about:blank")
    await wire.cut()


async def test_a_task_ends_with_what_came_of_it(window, cast):
    patient = await cast.producers.lead("Nobody Answers")
    task = await cast.task("intake", patient, "answer-lead", "Rang twice", minutes=50)
    live = window.desk.running.service.state.live
    await eventually(lambda: task in live.work)
    page = await window.open()
    await page.locator(f"[data-key='task-{task}'] a").first.focus()
    await page.keyboard.press("o")
    await expect(page.locator("h1")).to_contain_text("Nobody Answers")
    await page.get_by_label("Could not be reached").check()
    await page.locator("#note").fill("Voicemail is full")
    await picture(page, "task-close")
    assert await violations(page) == []
    await page.get_by_role("link", name="Leave it open").click()
    await expect(page.locator(f"[data-key='task-{task}']")).to_be_visible()


async def test_what_was_not_saved_stands_there_again(window, cast):
    """Intake does not run here, so that closing its task fails when the ten seconds are over."""
    page = await window.open()
    await page.clock.install()
    row = page.locator(".needs li", has_text="Wei Zhang")
    await row.locator("a").first.focus()
    await page.keyboard.press("e")
    await expect(row).to_be_hidden()
    await page.clock.fast_forward(11_000)
    await expect(page.locator("#toasts")).to_contain_text("That could not be saved")
    await expect(row).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_speaks_spanish_by_day_and_night(window, cast, scheme):
    page = await window.open("/?lang=es", color_scheme=scheme)
    await expect(page.locator("#needs")).to_contain_text("Le necesita ahora")
    await picture(page, f"board-es-{scheme}")
    assert await violations(page) == []
    patient = await page.locator(".card a").first.get_attribute("href")
    await page.goto(window.desk.running.url + patient)
    await expect(page.locator("html")).to_have_attribute("lang", "es")
    await picture(page, f"patient-es-{scheme}")
    assert await violations(page) == []
