"""While a safety concern is open no session is planned, offered or moved; a talk is booked. A clinician lifts it."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.contracts.assessment import SafetyConcernCleared, SafetyConcernRaised
from shared.contracts.intake import LeadMerged
from shared.ids import new_id
from tests.support.dashboard import Desk
from tests.support.scheduling import Calendar, calendar_of
from tests.support.waiting import eventually
from tests.support.world import World

SESSIONS = "appointments where patient_id = $1 and kind = 'session'"
WAITS = "courses where approval_id = $1 and state = 'pending' and reasons = '{concern-open}'"
MISSED = "insert into parked (source, subject, sequence, reason, headers, body) values (2, $1, 99, 'gap', '{}', '')"


@pytest.fixture(scope="module")
async def calendar(world: World) -> AsyncIterator[Calendar]:
    async with calendar_of(world) as made:
        yield made


@pytest.fixture(scope="module")
async def desk(world: World) -> AsyncIterator[Desk]:
    async with world.start("dashboard") as running:
        yield Desk(running)


async def worry(calendar: Calendar, patient: UUID) -> UUID:
    """Somebody is worried about the patient, and scheduling knows."""
    concern = new_id()
    await calendar.say("assessment", SafetyConcernRaised(
        patient_id=patient, concern_id=concern, kind="CRISIS_SI", level="high", raised_at=calendar.now
    ))  # fmt: skip
    await eventually(lambda: calendar.count("concerns where concern_id = $1", concern), equals=1)
    return concern


async def clear(calendar: Calendar, patient: UUID, concern: UUID) -> None:
    """A clinician spoke with them."""
    await calendar.say("assessment", SafetyConcernCleared(
        patient_id=patient, concern_id=concern, provider_id="osei", cleared_at=calendar.now, reason="s1.AAAAAAAA"
    ))  # fmt: skip


async def shown(browser: httpx.AsyncClient, path: str) -> str:
    answer = await browser.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_a_course_waits_for_the_clinician_and_is_then_planned_by_itself(calendar: Calendar, desk: Desk) -> None:
    patient = await calendar.patient()
    concern = await worry(calendar, patient)
    approval = await calendar.approve(patient)
    await eventually(lambda: calendar.count(WAITS, approval), equals=1)
    refused = await calendar.post(f"/api/v1/approvals/{approval}/plan")
    assert (refused.status_code, refused.json()["code"]) == (409, "concern_open")
    assert "A safety concern is open" in refused.json()["detail"]
    assert "clears it on the chart" in refused.json()["remedy"]
    async with await desk.as_staff("dana") as browser:
        path = f"/patients/{patient}/book"
        await eventually(lambda: _known(browser, path))
        assert "No session is booked now" in await shown(browser, path)
        assert "Ahora no se reserva ninguna sesión" in await shown(browser, f"{path}?lang=es")
    talk = (await calendar.offers(mode="video"))[0]
    assert (await calendar.book(patient, talk["starts_at"]))["kind"] == "consultation", "that is how they are helped"
    assert await calendar.count(SESSIONS, patient) == 0
    await clear(calendar, patient, concern)
    await eventually(lambda: calendar.count(SESSIONS, patient), equals=6)
    assert "CoursePlanInfeasible" not in await calendar.names(patient)


async def _known(browser: httpx.AsyncClient, path: str) -> bool:
    return (await browser.get(path)).status_code == 200


async def test_a_booked_session_gets_no_other_time_but_may_be_handed_over(calendar: Calendar, desk: Desk) -> None:
    patient = await calendar.patient()
    sessions = await calendar.course(patient)
    last = sessions[-1]
    free = await _others(calendar, last)
    concern = await worry(calendar, patient)
    refused = await calendar.change(last["id"], "reschedule", 409, starts_at=free, reason="patient")
    assert refused["code"] == "concern_open"
    assert await calendar.state(last["id"]) == "booked", "what stands is closed at the door, not cancelled"
    answer = await calendar.scheduling.http.get(
        "/api/v1/offers", params={"kind": "session", "appointment_id": last["id"]},
        headers=calendar.scheduling.as_staff("dana"),
    )  # fmt: skip
    assert (answer.status_code, answer.json()["code"]) == (409, "concern_open")
    async with await desk.as_staff("dana") as browser:
        path = f"/patients/{patient}/appointments/{last['id']}/reschedule"
        await eventually(lambda: _says(browser, path, "until a provider has cleared it no session is booked"))
        assert await _says(browser, f"{path}?lang=es", "hasta que un médico la cierre no se reserva ninguna sesión")
    one, part, person = await _stand_in(calendar, sessions)
    handed = {"starts_at": one["starts_at"], "reason": "clinic", f"{part}_id": person}
    assert (await calendar.change(one["id"], "reschedule", **handed))[f"{part}_id"] == person
    await clear(calendar, patient, concern)
    await eventually(lambda: calendar.count("concerns where concern_id = $1 and cleared", concern), equals=1)
    await calendar.change(last["id"], "reschedule", starts_at=free, reason="patient")


async def _says(browser: httpx.AsyncClient, path: str, words: str) -> bool:
    return words in (await browser.get(path)).text


async def _stand_in(calendar: Calendar, sessions: list[dict[str, Any]]) -> tuple[dict[str, Any], str, str]:
    """A session, and somebody who could take over whose part of it."""
    for one in sessions:
        for part in (await calendar.get(f"/api/v1/appointments/{one['id']}/stand-ins"))["parts"]:
            for other in part["others"]:
                if other["standing"] == "free":
                    return one, part["part"], other["person_id"]
    raise AssertionError("nobody could stand in anywhere")


async def _others(calendar: Calendar, session: dict[str, Any]) -> str:
    """Another time for the last session of a course."""
    begin = datetime.fromisoformat(session["starts_at"]).date().isoformat()
    offers = await calendar.offers(kind="session", appointment_id=session["id"], days=7, **{"from": begin})
    found: str = next(one["starts_at"] for one in offers if one["starts_at"] > session["starts_at"])
    return found


async def test_a_concern_about_the_other_record_of_a_person_counts_and_missing_news_too(calendar: Calendar) -> None:
    patient, other = await calendar.patients(2)
    await calendar.say("intake", LeadMerged(patient_id=patient, absorbed_id=other, reason="same-person"))
    await eventually(lambda: calendar.count("patients where merged_into = $1", patient), equals=1)
    concern = await worry(calendar, other)
    approval = await calendar.approve(patient, sessions=4)
    await eventually(lambda: calendar.count(WAITS, approval), equals=1)
    async with calendar.world.connection("scheduling") as conn:
        await conn.execute(MISSED, patient)
        await clear(calendar, other, concern)
        later = "courses where approval_id = $1 and reasons = '{}' and next_try > now() + interval '30 seconds'"
        await eventually(lambda: calendar.count(later, approval), equals=1)
        assert await calendar.count(SESSIONS, patient) == 0, "what was not heard yet may be another concern"
        await conn.execute("delete from parked where subject = $1", patient)
        await conn.execute("update courses set next_try = now() where approval_id = $1", approval)
    await eventually(lambda: calendar.count(SESSIONS, patient), equals=4)
