"""The session-day page against running scheduling and assessment: what a monitor and a provider see and press."""

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

import httpx
import pytest

from shared.contracts.assessment import TreatmentConsentSigned
from shared.contracts.notifications import TransportConfirmed
from shared.ids import new_id
from tests.support.assessment import Clinic, approve
from tests.support.dashboard import COOKIE, Desk
from tests.support.scheduling import HASH, Calendar, calendar_of
from tests.support.waiting import eventually
from tests.support.world import Running, World

READING = re.compile(r'action="[^"]+/vitals">\s*<input type="hidden" name="id" value="([^"]+)">')
PLAIN = {"diastolic": "80", "heart_rate": "71", "spo2": "98"}


@pytest.fixture(scope="module")
async def assessment(world: World) -> AsyncIterator[Running]:
    async with world.start("assessment") as running:
        yield running


@pytest.fixture(scope="module")
async def calendar(world: World, assessment: Running) -> AsyncIterator[Calendar]:
    async with calendar_of(world) as made:
        yield made


@pytest.fixture(scope="module")
async def desk(world: World) -> AsyncIterator[Desk]:
    async with world.start("dashboard") as running:
        yield Desk(running)


@asynccontextmanager
async def signing(desk: Desk, person: str) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who has just given a fresh second factor."""
    token = await desk.token(person, acr="step-up", amr=["pwd", "otp"], auth_time=int(time.time()))
    async with httpx.AsyncClient(
        base_url=desk.running.url,
        cookies={COOKIE: token},
        headers={"accept": "text/html", "sec-fetch-site": "same-origin"},
        timeout=15,
    ) as browser:
        yield browser


async def sees(browser: httpx.AsyncClient, path: str, words: str) -> bool:
    answer = await browser.get(path)
    return answer.status_code == 200 and words in answer.text


def consent(calendar: Calendar, patient: UUID, text: str) -> TreatmentConsentSigned:
    return TreatmentConsentSigned(
        patient_id=patient, consent_id=new_id(), route="im", text_hash=HASH, text_version=text, language="en",
        signed_at=calendar.now,
    )  # fmt: skip


async def ready(calendar: Calendar, desk: Desk) -> tuple[UUID, str, str]:
    """A patient on the morning of the first session, consent and ride settled; their id and the page's path."""
    patient = await calendar.patient()
    first, *_ = await calendar.course(patient)
    await calendar.later(datetime.fromisoformat(first["starts_at"]) - timedelta(minutes=5))
    await calendar.say("assessment", consent(calendar, patient, calendar.clinic.consent.version))
    ride = TransportConfirmed(patient_id=patient, appointment_id=first["id"], by="patient", confirmed_at=calendar.now)
    path = f"/patients/{patient}/session/{first['id']}"
    async with await desk.as_staff("dana") as browser:
        await eventually(lambda: sees(browser, path, "Nobody is confirmed to take them home."), timeout=20)
        await calendar.say("notifications", ride)
        await eventually(lambda: sees(browser, path, "Check in when they arrive"), timeout=20)
    return patient, path, first["id"]


async def test_a_session_is_led_from_one_next_thing_to_the_other(calendar: Calendar, desk: Desk) -> None:
    patient, path, session = await ready(calendar, desk)
    async with await desk.as_staff("dana") as browser:
        assert path in (await browser.get("/today")).text
        await eventually(lambda: sees(browser, f"/patients/{patient}", "Open the session"))
        answer = await browser.post(f"{path}/check-in", data={"fasting": "yes", "pregnancy": "yes"})
        assert (answer.status_code, answer.headers["location"]) == (303, path)
        assert (await browser.post(f"{path}/dose")).status_code == 403

    async with await desk.as_staff("tran") as browser:
        shown = (await browser.get(path)).text
        assert "Take vitals." in shown
        (reading,) = READING.findall(shown)
        pressed = {"id": reading, "phase": "baseline", "systolic": "124", **PLAIN}
        for _ in range(2):
            answer = await browser.post(f"{path}/vitals", data=pressed)
            assert answer.status_code == 303, answer.text
        await eventually(lambda: sees(browser, path, "A prescriber gives the medicine."))
        assert await calendar.count("vitals where appointment_id = $1", session) == 1
        answer = await browser.post(
            f"{path}/side-effects", data={"id": str(new_id()), "effect": "nausea", "severity": "mild", "note": ""}
        )
        assert answer.status_code == 303, answer.text
        assert await sees(browser, path, "Nausea")

    async with await desk.as_staff("osei") as browser:
        assert await sees(browser, path, "Everything holds. Give the medicine")
        assert (await browser.post(f"{path}/dose")).status_code == 303
        assert await sees(browser, path, "Vitals due after the dose")
        refused = await browser.post(f"{path}/discharge", data={"escort_present": "yes"})
        assert refused.status_code == 409
        assert "Not yet: something is still open." in refused.text
        spanish = await browser.get(path, headers={"accept-language": "es"})
        assert "Antes de ir a casa" in spanish.text
        assert "Signos vitales a las" in spanish.text

    await calendar.later(calendar.now + timedelta(minutes=121))
    async with await desk.as_staff("tran") as browser:
        answer = await browser.post(
            f"{path}/vitals", data={"id": str(new_id()), "phase": "discharge", "systolic": "126", **PLAIN}
        )
        assert answer.status_code == 303, answer.text
        await eventually(lambda: sees(browser, path, "The observation is over."))
        answer = await browser.post(f"{path}/discharge", data={"escort_present": "yes"})
        assert answer.status_code == 303, answer.text
        assert await sees(browser, path, "They went home at")
    assert await calendar.state(session) == "completed"


async def test_a_provider_signs_past_a_gate_with_a_fresh_second_factor(calendar: Calendar, desk: Desk) -> None:
    _, path, _ = await ready(calendar, desk)
    async with await desk.as_staff("tran") as browser:
        await browser.post(f"{path}/check-in", data={"fasting": "yes", "pregnancy": "yes"})
        high = {"id": str(new_id()), "phase": "baseline", "systolic": "166", **PLAIN}
        assert (await browser.post(f"{path}/vitals", data=high)).status_code == 303
        await eventually(lambda: sees(browser, path, "only a provider signs past it"))
        assert (await browser.get(f"{path}/override/vitals")).status_code == 403
    async with await desk.as_staff("osei") as browser:
        asked = await browser.get(f"{path}/override/vitals")
        assert asked.status_code == 303
        assert "step-up" in asked.headers["location"]
    async with signing(desk, "osei") as browser:
        assert await sees(browser, f"{path}/override/vitals", "Why it is safe")
        empty = await browser.post(f"{path}/override/vitals", data={"reason": ""})
        assert empty.status_code == 422
        answer = await browser.post(f"{path}/override/vitals", data={"reason": "White coat; calm at home."})
        assert answer.status_code == 303, answer.text
        assert await sees(browser, path, "Signed past by Dr Amara Osei.")
        assert (await browser.post(f"{path}/dose")).status_code == 303


async def test_who_attends_reads_the_conditions_of_the_approval(
    world: World, calendar: Calendar, desk: Desk, assessment: Running
) -> None:
    patient = await calendar.patient()
    charts = Clinic(world, assessment, assessment)
    await eventually(lambda: charts.get(patient))
    about = await charts.assessed(patient)
    await charts.decide(patient, approve(about, conditions="Only with an ECG of <this> week"))
    await eventually(lambda: calendar.count("appointments where patient_id = $1", patient), equals=6)
    first, *_ = await calendar.sessions(patient)
    path = f"/patients/{patient}/session/{first['id']}"
    async with await desk.as_staff("tran") as browser:
        await eventually(lambda: sees(browser, path, "Only with an ECG of &lt;this&gt; week"), timeout=20)
    async with await desk.as_staff("dana") as browser:
        assert not await sees(browser, path, "ECG")


async def test_a_session_is_not_shown_under_somebody_else(calendar: Calendar, desk: Desk) -> None:
    _, path, session = await ready(calendar, desk)
    other = await calendar.patient()
    async with await desk.as_staff("tran") as browser:
        await eventually(lambda: sees(browser, f"/patients/{other}", "Jo Doe"))
        assert (await browser.get(f"/patients/{other}/session/{session}")).status_code == 404
        assert (await browser.post(f"/patients/{other}/session/{session}/check-in")).status_code == 404
    async with await desk.as_staff("audit") as browser:
        assert (await browser.get(path)).status_code == 403


async def test_who_agreed_to_an_older_text_is_asked_again_in_both_languages(calendar: Calendar, desk: Desk) -> None:
    patient, path, _ = await ready(calendar, desk)
    await calendar.later(calendar.now + timedelta(minutes=1))
    await calendar.say("assessment", consent(calendar, patient, "2019-01"))
    async with await desk.as_staff("tran") as browser:
        await eventually(lambda: sees(browser, path, "They agreed to an older text: ask again."), timeout=20)
        assert "Aceptó un texto anterior: pídale que firme de nuevo." in (await browser.get(f"{path}?lang=es")).text
