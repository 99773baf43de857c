"""Details, following no further, erasing: pressed through in a real browser, at a desk and on a phone."""

from uuid import UUID, uuid4

import pytest
from playwright.async_api import expect

from tests.support.browser import picture, pressed, violations
from tests.support.intake import Intake
from tests.support.waiting import eventually

WIDE = {"width": 1680, "height": 1050}


@pytest.fixture(scope="module")
async def intake(world):
    async with world.start("intake") as running:
        yield await Intake.of(running, world)


async def somebody(intake, desk, **said) -> str:
    patient = str((await intake.lead(**said)).json()["patient_id"])
    live = desk.running.service.state.live
    await eventually(lambda: UUID(patient) in live.people, timeout=30)
    return patient


async def sound(page, name: str) -> None:
    await picture(page, name)
    assert await violations(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_new_contact_that_says_otherwise_is_settled_from_its_task(window, desk, intake):
    email = f"lea.{uuid4().hex}@example.org"
    patient = await somebody(intake, desk, name="Lea Marin", phone="+18015593120", email=email)
    await intake.lead(name="Lea Marin", phone="+18015593121", email=email)
    live = desk.running.service.state.live
    await eventually(lambda: [it for it in live.work.values() if it.kind == "contact-differs"], timeout=30)
    page = await window.open("/tasks", viewport=WIDE)
    await pressed(page.locator(f"a[href='/patients/{patient}/details']"))
    await expect(page.locator("main")).to_contain_text("phone: +18015593121")
    await sound(page, "details-differs-wide")
    await page.locator("#phone").fill("12")
    await pressed(page.get_by_role("button", name="Save"))
    await expect(page.locator("#phone-error")).to_be_visible()
    await expect(page.locator("#phone")).to_be_focused()
    await expect(page.locator("#name")).to_have_value("Lea Marin")
    await sound(page, "details-wrong-wide")
    await page.locator("#phone").fill("801 559 3121")
    await pressed(page.locator("#phone"), "Enter")
    await page.wait_for_url(f"**/patients/{patient}")
    assert str(await intake.patient_of("+18015593121")) == patient
    assert window.complaints == [] or all("422" in said for said in window.complaints)


async def test_a_contact_is_followed_no_further_in_spanish_on_a_phone(window, desk, intake):
    patient = await somebody(intake, desk, name="Gone Quiet", phone="+18015593130")
    page = await window.open(f"/patients/{patient}?lang=es", phone=True)
    await pressed(page.locator(f"main a[href='/patients/{patient}/details']").first)
    await sound(page, "details-phone-es")
    await pressed(page.get_by_role("link", name="No seguir más, porque …"))
    await pressed(page.get_by_role("button", name="No seguir más"))
    await expect(page.locator("#reason-error")).to_be_visible()
    await sound(page, "close-phone-es")
    await page.locator("input[name=reason][value=no_reply]").check()
    await pressed(page.get_by_role("button", name="No seguir más"))
    await page.wait_for_url(f"**/patients/{patient}")
    assert dict(await intake.events(patient))["LeadClosed"]["reason"] == "no_reply"


@pytest.mark.parametrize("phone", [False, True], ids=["wide", "phone"])
async def test_erasing_names_what_it_does_and_asks_once_more(world, window, desk, intake, phone):
    patient = await somebody(intake, desk, name="Forget Mee", phone=f"+180155931{40 + phone}")
    how = {"phone": True} if phone else {"viewport": WIDE}
    page = await window.open(f"/patients/{patient}/erase", "ops", **how)
    await sound(page, f"erase-{'phone' if phone else 'wide'}")
    await intake.rows("update patients set treated_at = '2026-11-02T12:00Z' where id = $1", UUID(patient))
    await page.get_by_role("button", name="Erase for good").click()
    question = page.get_by_role("dialog")
    await expect(question).to_contain_text("Forget Mee")
    await pressed(question.get_by_role("button", name="Yes"))
    await expect(page.get_by_role("alert")).to_contain_text("the chart is kept by law until 20")
    await sound(page, f"erase-locked-{'phone' if phone else 'wide'}")
    await intake.rows("update patients set treated_at = null where id = $1", UUID(patient))
    async with world.start("scheduling"):

        async def erased() -> str:
            await page.goto(f"{desk.running.url}/patients/{patient}/erase")
            await page.get_by_role("button", name="Erase for good").click()
            await pressed(question.get_by_role("button", name="Yes"))
            return page.url

        await eventually(erased, equals=f"{desk.running.url}/", timeout=30)  # until scheduling's news is fresh
    assert "PatientErased" in await intake.names(patient)
