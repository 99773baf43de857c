"""The first words for each role: above the board until somebody knows their way, and always under "Start here"."""

import pytest

from shared.ids import new_id
from shared.tasks import raise_task
from tests.support.browser import picture, pressed, violations
from tests.support.dashboard import Producers

LEADS = {
    "dana": "You are the voice that people hear.",
    "osei": "You decide, and nobody else does.",
    "tran": "You look after people on the day of their session",
    "ops": "You see to it that nothing stands still",
    "audit": "You read what was done, by whom and when, and change nothing.",
}


@pytest.mark.parametrize("person", LEADS)
async def test_each_role_reads_what_it_does_here_and_every_link_lets_it_in(window, person):
    page = await window.open("/start", person, color_scheme="dark" if person == "osei" else "light")
    assert LEADS[person] in await page.inner_text("main")
    await picture(page, f"start-{person}")
    assert await violations(page) == []
    links = await page.eval_on_selector_all(".guide li a", "all => all.map(it => it.getAttribute('href'))")
    assert len(links) >= 3
    links += await page.eval_on_selector_all("nav.side > a", "all => all.map(it => it.getAttribute('href'))")
    assert await page.locator("#search").count() == (person != "ops"), "who may not read charts has nobody to find"
    async with await window.desk.as_staff(person) as browser:
        answers = {link: (await browser.get(link)).status_code for link in links}
    # What scheduling or intake would say is not asked here; that this role may ask is.
    assert {link: status for link, status in answers.items() if status not in {200, 503}} == {}
    assert window.complaints == []


@pytest.mark.parametrize("path", ["/?lang=es", "/start?lang=es"])
async def test_on_a_phone_and_in_spanish_the_words_fit(window, path):
    page = await window.open(path, "bell", phone=True)
    assert "Usted cuida a las personas el día de su sesión" in await page.inner_text("main")
    await picture(page, f"start-phone-{'board' if path.startswith('/?') else 'page'}")
    assert await violations(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_who_knows_their_way_is_left_alone_on_every_machine_and_nobody_else_is(window):
    page = await window.open("/", "dana")
    assert await page.locator(".start").count() == 1
    assert await violations(page) == []
    await pressed(page.get_by_role("button", name="I know my way"))
    assert await page.locator(".start").count() == 0
    elsewhere = await window.open("/", "dana")
    assert await elsewhere.locator(".start").count() == 0
    other = await window.open("/", "osei")
    assert await other.locator(".start").count() == 1
    await elsewhere.keyboard.press("?")
    await pressed(elsewhere.locator("#keys").get_by_role("link", name="Start here"))
    await pressed(elsewhere.get_by_role("button", name="Show this above the board again"))
    assert await elsewhere.locator(".start").count() == 1


async def test_the_first_words_count_what_waits(world, window, eventually):
    async with Producers.of(world) as producers, await window.desk.as_staff("dana") as browser:
        await _raise(producers, "answer-lead", "front_desk")
        await _raise(producers, "listen-voicemail", "front_desk")
        await _raise(producers, "listen-voicemail", "front_desk", await producers.lead("Rings Again"))

        async def counted():
            words = (await browser.get("/start")).text
            return "3 open" in words and "1 open" in words

        await eventually(counted)


async def _raise(producers, kind, role, patient=None):
    async with producers.services["intake"].transaction(actor="system:test") as uow:
        await raise_task(uow, kind=kind, subject=patient or new_id(), occurrence="1", role=role, patient_id=patient)
