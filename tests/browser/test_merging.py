"""Two records of one person are joined from the task that asks, and taken apart from the page; each is asked first."""

import pytest
from playwright.async_api import expect

from tests.support.browser import picture, pressed, violations
from tests.support.intake import Intake
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
async def intake(world):
    async with world.start("intake") as running:
        yield await Intake.of(running, world)


async def confirmed(page) -> None:
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_be_visible()
    assert await violations(page) == []
    await picture(page, "merge-sure")
    await pressed(dialog.locator("button.primary"))


async def test_two_records_are_joined_from_the_task_and_taken_apart_from_the_page(window, desk, intake):
    one = (await intake.lead(name="Maya Ruiz", phone="+18015561001", date_of_birth="1984-03-09")).json()["patient_id"]
    await intake.lead(name="M. Ruiz", email="maya.ruiz@example.com", message="From work")
    await intake.lead(phone="+18015561001", email="maya.ruiz@example.com")
    heard = "select from heard where source = 3 having count(*) = 12 and min(at) > now() - interval '4 seconds'"
    page = await window.open("/tasks")
    task = page.get_by_role("link", name="The same person?")
    await expect(task).to_be_visible(timeout=30_000)
    await pressed(task)
    for words in ("(801) 556-1001", "maya.ruiz@example.com", "9 Mar 1984"):
        await expect(page.get_by_role("table")).to_contain_text(words)
    await picture(page, "merge-both")
    assert await violations(page) == []
    await eventually(lambda: intake.rows(heard), timeout=30)
    await page.get_by_role("button", name="This one stays").first.click()
    await confirmed(page)
    await page.wait_for_url(f"**/patients/{one}")
    joined = page.get_by_text("The record of M. Ruiz was joined to this one")
    await expect(joined).to_be_visible(timeout=30_000)
    await picture(page, "merged")
    assert await violations(page) == []
    await page.get_by_role("button", name="Take them apart again").click()
    await confirmed(page)
    await expect(joined).to_have_count(0, timeout=30_000)
    live = desk.running.service.state.live
    await eventually(lambda: {"Maya Ruiz", "M. Ruiz"} <= {who.name for who in live.people.values()}, timeout=30)
    assert window.complaints == []


async def test_the_other_is_looked_for_on_a_phone_in_spanish(window, desk, intake):
    one = (await intake.lead(name="Lena Ortiz", phone="+18015561003")).json()["patient_id"]
    await intake.lead(name="Helena Ortiz", phone="+18015561004", email="helena.ortiz.de.la.torre@example.com")
    live = desk.running.service.state.live
    await eventually(lambda: {"Lena Ortiz", "Helena Ortiz"} <= {who.name for who in live.people.values()}, timeout=30)
    page = await window.open(f"/patients/{one}?lang=es", phone=True)
    await pressed(page.get_by_role("link", name="¿Está dos veces?"))
    await expect(page.locator("#q")).to_be_focused()
    await page.keyboard.type("ortiz")
    await pressed(page.locator("#q"), "Enter")
    await picture(page, "merge-look-es")
    assert await violations(page) == []
    await pressed(page.get_by_role("link", name="Helena Ortiz"))
    await picture(page, "merge-both-es")
    assert await violations(page) == []
    await pressed(page.get_by_role("link", name="Son dos personas"))
    assert page.url.endswith(f"/patients/{one}")
