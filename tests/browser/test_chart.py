"""The chart and the decision in a real browser: sound at a desk and on a phone, and signed with the keyboard alone."""

import re

import pytest

from tests.support.browser import picture, violations
from tests.support.dashboard import COOKIE
from tests.support.kernel import create_lead
from tests.support.waiting import eventually

HISTORY = {
    "born": "1980-04-02",
    "conditions": [{"code": "CI_HTN_UNCTRL", "note": "150/95 at home"}],
    "diagnoses": [{"name": "Major depression, recurrent, severe", "code": "F33.2"}],
    "medications": [{"name": "Lamotrigine", "dose": "100 mg", "since": "2025-03-01"}],
    "notes": "Sleeps four hours a night.",
}
TRIED = {
    "trials": [
        {"kind": "antidepressant", "name": "Sertraline", "dose": "200 mg", "adequate_dose": True, "start": "2025-01-01",
         "end": "2025-06-01", "adherence": "full", "outcome": "none"},
        {"kind": "therapy", "name": "CBT", "outcome": "partial", "current_episode": False, "note": "with L. Hughes"},
    ]
}  # fmt: skip
SECTIONS = {
    "history": HISTORY,
    "goals": {"hopes": "To get up in the morning and want to.", "reasons": ["depression"], "support": "Karin"},
    "tried": TRIED,
    "insurance": {"status": "active", "payer": "Acme Health", "member_id": "M-77"},
}


@pytest.fixture(scope="module")
async def assessment(world):
    async with world.start("assessment") as running:
        yield running


@pytest.fixture(scope="module")
async def intake(world):
    async with world.start("intake") as running:
        yield running


@pytest.fixture
async def patient(assessment, intake, desk):
    """With a complete chart, and on the board."""
    patient = await create_lead(intake.service)
    headers = assessment.as_staff("dana")
    path = f"/api/v1/charts/{patient}"

    async def opened():
        return (await assessment.http.get(path, headers=headers)).status_code

    await eventually(opened, equals=200)
    for kind, content in SECTIONS.items():
        body = {"version": 0, "content": content}
        assert (await assessment.http.put(f"{path}/{kind}", json=body, headers=headers)).status_code == 200
    assert (await assessment.http.post(f"{path}/complete", headers=headers)).status_code == 201
    await eventually(lambda: patient in desk.running.service.state.live.people)
    return patient


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
@pytest.mark.parametrize("language", ["en", "es"])
async def test_pages_are_sound(window, patient, language, phone):
    page = await window.open(f"/patients/{patient}?lang={language}", "osei", phone=phone)
    for place in ("chart", *(f"chart/{kind}" for kind in SECTIONS), "decision"):
        page = await window.turn(page, f"/patients/{patient}/{place}?lang={language}")
        await page.evaluate("for (const it of document.querySelectorAll('details')) it.open = true")
        await picture(page, f"{place.replace('/', '-')}-{language}-{'phone' if phone else 'desk'}")
        assert await violations(page) == [], place
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), place
    assert window.complaints == []


async def test_a_provider_signs_with_the_keyboard_alone(window, desk, patient):
    page = await window.open(f"/patients/{patient}", "osei")
    token = await desk.token("osei", acr="step-up")
    await page.context.add_cookies([{"name": COOKIE, "value": token, "url": desk.running.url}])
    await page.wait_for_load_state("load")
    await page.keyboard.press("d")
    await page.wait_for_url("**/decision")
    await page.get_by_text("Approve sessions").focus()
    await page.keyboard.press("Enter")
    await page.get_by_label("Uncontrolled hypertension").focus()
    await page.keyboard.type("128/82 for four weeks")
    await page.keyboard.press("Enter")
    await page.wait_for_url(re.compile(r"/decision/[0-9a-f-]+$"))
    await picture(page, "decision-confirm")
    assert await violations(page) == []
    assert "6 sessions, intramuscular, are booked now" in await page.inner_text("main")
    await page.get_by_role("button", name="Sign", exact=True).focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url(re.compile(rf"/patients/{patient}$"))
    page = await window.open(f"/patients/{patient}/chart", "tran")
    assert "Approved: Intramuscular, 6 sessions" in await page.inner_text("main")
    assert window.complaints == []
