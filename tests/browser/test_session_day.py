"""The session's day and the patient's own booking page in a real browser: sound at a desk and on a phone."""

from datetime import datetime, timedelta

import pytest
from playwright.async_api import expect

from shared.contracts.assessment import SafetyConcernRaised, TreatmentConsentSigned
from shared.contracts.notifications import TransportConfirmed
from shared.ids import new_id
from tests.support.browser import PHONE, picture, violations
from tests.support.scheduling import HASH, calendar_of
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
async def calendar(world, desk):
    async with calendar_of(world) as made, world.start("assessment"):
        yield made


@pytest.fixture(scope="module")
async def session(calendar, desk):
    """The patient and the first session, on its morning, with consent and ride."""
    patient = await calendar.patient()
    first, *_ = await calendar.course(patient)
    await calendar.later(datetime.fromisoformat(first["starts_at"]) - timedelta(minutes=5))
    consent = TreatmentConsentSigned(
        patient_id=patient, consent_id=new_id(), route="im", text_hash=HASH, language="en",
        text_version=calendar.clinic.consent.version, signed_at=calendar.now,
    )  # fmt: skip
    ride = TransportConfirmed(patient_id=patient, appointment_id=first["id"], by="patient", confirmed_at=calendar.now)
    await calendar.say("assessment", consent)
    await calendar.say("notifications", ride)
    await eventually(lambda: patient in desk.running.service.state.live.people)
    return patient, first["id"]


async def sound(window, page, name):
    await page.wait_for_load_state("load")
    await picture(page, name)
    assert await violations(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert window.complaints == []


@pytest.mark.parametrize("locale", ["en-US", "es-US"])
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
async def test_the_day_of_a_session_is_sound(window, session, phone, locale):
    patient, appointment = session
    page = await window.open(f"/patients/{patient}/session/{appointment}", "tran", phone=phone, locale=locale)
    await sound(window, page, f"session-{'phone' if phone else 'desk'}-{locale[:2]}")


async def test_what_stands_in_the_way_goes_while_somebody_ticks_what_was_said(window, calendar, desk):
    """The ride is named while the monitor is at the door: the page says so at once, and keeps what was ticked."""
    patient = await calendar.patient()
    booked = (await calendar.course(patient))[0]["id"]
    await eventually(lambda: patient in desk.running.service.state.live.people)
    page = await window.open(f"/patients/{patient}/session/{booked}", "tran")
    way = page.locator("[data-key=next-words]")
    await expect(way).to_contain_text("Nobody is confirmed to take them home.")
    await page.get_by_label("They fasted").check()
    ride = TransportConfirmed(patient_id=patient, appointment_id=booked, by="patient", confirmed_at=calendar.now)
    await calendar.say("notifications", ride)
    await expect(way).not_to_contain_text("Nobody is confirmed", timeout=15_000)
    await expect(page.get_by_label("They fasted")).to_be_checked()
    await expect(page.get_by_label("They fasted")).to_be_focused()


async def test_a_session_begins_with_the_keyboard_alone(window, calendar, session):
    patient, appointment = session

    async def settled():
        gates = (await calendar.get(f"/api/v1/appointments/{appointment}/gates"))["gates"]
        return all(gate["standing"] == "holds" for gate in gates if gate["code"] in {"consents", "escort"})

    await eventually(settled, timeout=20)
    page = await window.open(f"/patients/{patient}/session/{appointment}", "tran")
    for _ in range(5):  # where news is late, the answer is "not now", and one presses again
        await page.get_by_label("They fasted").focus()
        await page.keyboard.press("Space")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Space")
        await page.keyboard.press("Enter")
        await expect(page.locator("#confirm")).to_contain_text("is here now?")
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        if await page.get_by_text("Take vitals.").is_visible():
            break
    assert await calendar.state(appointment) == "checked-in"
    await page.get_by_label("Systolic").fill("124")
    await page.get_by_label("Diastolic").fill("80")
    await page.get_by_label("Heart rate").fill("70")
    await page.get_by_label("Oxygen").fill("98")
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    await eventually(lambda: calendar.count("vitals where appointment_id = $1", appointment), equals=1)
    await page.reload()
    await sound(window, page, "session-before-dose")
    # The page follows what others do; what is written on it and not sent yet stays, and is for the time that has come.
    await expect(page.locator("[name=phase]")).to_have_value("baseline")
    await page.get_by_label("Systolic").fill("131")
    await page.get_by_label("Systolic").blur()
    await page.evaluate("window.stillHere = true")
    await calendar.change(appointment, "dose", person="osei")
    await page.get_by_text("Vitals due after the dose").wait_for(timeout=10_000)
    await expect(page.get_by_label("Systolic")).to_have_value("131")
    await expect(page.locator("[name=phase]")).to_have_value("observation")
    assert await page.evaluate("window.stillHere")
    assert await page.evaluate("new FormData(document.querySelector('#vitals-form')).get('phase')") == "observation"
    await expect(page.locator("#live")).to_contain_text("Live")
    await sound(window, page, "session-observation")


@pytest.mark.parametrize("locale", ["en-US", "es-US"])
@pytest.mark.parametrize("script", [True, False], ids=["script", "plain"])
async def test_a_patient_books_on_a_phone(window, calendar, chromium, locale, script):
    patient = await calendar.patient()
    url = (await calendar.post(f"/api/v1/patients/{patient}/booking-link")).json()["url"]
    context = await chromium.new_context(viewport=PHONE, locale=locale, java_script_enabled=script)
    page = await context.new_page()
    await page.goto(url)
    if script:
        await sound(window, page, f"booking-link-{locale[:2]}")
    await page.locator("button[name=starts_at]").nth(1).click()
    await page.wait_for_url("**said=booked")
    if script:
        await sound(window, page, f"booking-link-booked-{locale[:2]}")
    assert await calendar.count("appointments where patient_id = $1", patient) == 1
    await context.close()


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
async def test_what_keeps_a_patient_from_a_session_is_told_soundly(window, calendar, desk, phone):
    """An older text at the door of a session, and a safety concern on the page where one would be booked."""
    where = "phone" if phone else "desk"
    patient = await calendar.patient()
    concern = SafetyConcernRaised(
        patient_id=patient, concern_id=new_id(), kind="CRISIS_SI", level="high", raised_at=calendar.now
    )
    booked = (await calendar.course(patient))[0]["id"]
    older = TreatmentConsentSigned(
        patient_id=patient, consent_id=new_id(), route="im", text_hash=HASH, language="en", text_version="2019-01",
        signed_at=calendar.now,
    )  # fmt: skip
    await calendar.say("assessment", older, concern)
    await calendar.approve(patient, sessions=2)
    await eventually(lambda: calendar.count("courses where reasons = '{concern-open}' and patient_id = $1", patient))
    await eventually(lambda: patient in desk.running.service.state.live.people)
    page = await window.open(f"/patients/{patient}/session/{booked}", "tran", phone=phone)
    await expect(page.locator("#session")).to_contain_text("They agreed to an older text: ask again.")
    await sound(window, page, f"session-older-{where}")
    page = await window.open(f"/patients/{patient}/book", "dana", phone=phone)
    await expect(page.locator("main")).to_contain_text("No session is booked now")
    await sound(window, page, f"book-danger-{where}")
