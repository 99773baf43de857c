"""A provider is ill for a day: nothing new is booked with them, and what stands is handed to somebody who is free."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from shared.contracts.intake import ExternalBusyChanged
from shared.ids import new_id
from tests.support.scheduling import Calendar, calendar_of, on_weekdays
from tests.support.waiting import eventually
from tests.support.world import World

CONFLICTS = "tasks where kind = 'calendar-conflict' and subject = $1 and closed_at is null"


@pytest.fixture(scope="module")
async def calendar(world: World) -> AsyncIterator[Calendar]:
    async with calendar_of(world) as made:
        yield made


async def away(calendar: Calendar, person: str, starts_at: str, hours: float = 1, status: int = 201) -> dict[str, Any]:
    until = datetime.fromisoformat(starts_at) + timedelta(hours=hours)
    body = {"person_id": person, "starts_at": starts_at, "ends_at": until.isoformat()}
    answer = await calendar.post("/api/v1/absences", body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def free(calendar: Calendar, appointment: str, part: str = "provider") -> list[str]:
    parts = (await calendar.get(f"/api/v1/appointments/{appointment}/stand-ins"))["parts"]
    others = next(one["others"] for one in parts if one["part"] == part)
    return [one["person_id"] for one in others if one["standing"] == "free"]


async def test_leave_is_noted_once_told_and_taken_back(calendar: Calendar) -> None:
    patient = await calendar.patient()
    at = (await calendar.offers(mode="video", provider="osei", days=14))[-1]["starts_at"]
    booked = await calendar.book(patient, at, provider_id="osei")
    noted = await away(calendar, "osei", at)
    assert noted["in_the_way"] == [booked["id"]]
    assert (await away(calendar, "osei", at))["id"] == noted["id"]
    assert await calendar.count(CONFLICTS, patient) == 1
    (shown,) = (await calendar.get(f"/api/v1/days/{at[:10]}"))["away"]
    assert (shown["person_id"], shown["noted_by"], shown["in_the_way"]) == ("osei", "staff:dana", [booked["id"]])
    listed = await calendar.get("/api/v1/absences", **{"from": at[:10], "days": 1})
    assert [one["id"] for one in listed["absences"]] == [noted["id"]]
    assert (await calendar.get(f"/api/v1/absences/{noted['id']}"))["in_the_way"] == [booked["id"]]
    await calendar.book(await calendar.patient(), at, provider_id="osei", expect=409)

    gone = await calendar.scheduling.http.delete(
        f"/api/v1/absences/{noted['id']}", headers=calendar.scheduling.as_staff("dana")
    )
    assert gone.status_code == 204
    assert await calendar.count(CONFLICTS, patient) == 0
    assert await calendar.count("busy") == 0


async def test_a_talk_is_handed_over_at_its_own_time_however_near_it_is(calendar: Calendar) -> None:
    patient = await calendar.patient()
    offers = await calendar.offers(mode="in_person", days=14)
    at = next(one["starts_at"] for one in offers if {"osei", "rios"} <= set(one["provider_ids"]))
    booked = await calendar.book(patient, at, provider_id="osei", mode="in_person")
    await calendar.later(datetime.fromisoformat(at) - timedelta(hours=1))
    await away(calendar, "osei", at)
    parts = (await calendar.get(f"/api/v1/appointments/{booked['id']}/stand-ins"))["parts"]
    assert [(one["part"], one["person_id"], one["away"]) for one in parts] == [("provider", "osei", True)]
    assert await free(calendar, booked["id"]) == ["rios"], "whose licence ran out is not asked"
    moved = await calendar.change(booked["id"], "reschedule", starts_at=at, reason="clinic", provider_id="rios")
    assert (moved["provider_id"], moved["room_id"], moved["starts_at"]) == ("rios", booked["room_id"], at)
    assert await calendar.count(CONFLICTS, patient) == 0
    told = next(body for name, body in await calendar.log(patient) if name == "AppointmentRescheduled")
    assert (told["provider_id"], told["was_at"]) == ("rios", told["starts_at"])
    refused = await calendar.change(
        booked["id"], "reschedule", starts_at=at, reason="clinic", provider_id="osei", expect=409
    )
    assert refused["taken"] == ["person:osei"]


async def test_a_session_goes_on_with_others_and_what_the_patient_said_stands(calendar: Calendar) -> None:
    patient = await calendar.patient()
    first, second = on_weekdays(await calendar.course(patient))[:2]
    async with calendar.world.connection("scheduling") as conn:
        for session in (first, second):
            await conn.execute("insert into rides (appointment_id, confirmed) values ($1, true)", session["id"])
    at, dose = first["starts_at"], first["session"]["dose_at"]
    await away(calendar, first["provider_id"], dose, 0.25)
    await away(calendar, first["monitor_id"], dose, 1)
    (other,) = await free(calendar, first["id"])
    (nurse,) = await free(calendar, first["id"], "monitor")
    moved = await calendar.change(
        first["id"], "reschedule", starts_at=at, reason="clinic", provider_id=other, monitor_id=nurse
    )
    assert (moved["provider_id"], moved["monitor_id"], moved["room_id"]) == (other, nurse, first["room_id"])
    assert await calendar.count(CONFLICTS, patient) == 0
    assert await calendar.count("rides where appointment_id = $1 and confirmed", first["id"]) == 1
    nobody = await calendar.change(first["id"], "reschedule", 422, starts_at=at, reason="clinic", provider_id="lang")
    assert nobody["code"] == "closed"
    await calendar.change(first["id"], "reschedule", 422, starts_at=at, reason="clinic", monitor_id=nurse)


async def test_what_another_calendar_says_is_taken_back_there(calendar: Calendar) -> None:
    begins = (calendar.now + timedelta(days=30)).replace(second=0, microsecond=0)
    busy = ExternalBusyChanged(
        busy_id=new_id(), vendor="vagaro", provider_ref="rios", starts_at=begins, ends_at=begins + timedelta(hours=1)
    )
    await calendar.say("intake", busy)
    await eventually(lambda: calendar.count("busy where busy_id = $1", busy.busy_id), equals=1)
    headers = calendar.scheduling.as_staff("dana")
    answer = await calendar.scheduling.http.delete(f"/api/v1/absences/{busy.busy_id}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_ours")
    assert (await calendar.scheduling.http.delete(f"/api/v1/absences/{uuid4()}", headers=headers)).status_code == 404
    await away(calendar, "nobody", begins.isoformat(), status=422)
    await away(calendar, "rios", begins.isoformat(), hours=-1, status=422)
    await away(calendar, "rios", "2020-01-01T08:00:00+00:00", status=422)


async def test_a_session_that_loses_the_last_airway_trained_person_of_the_house_becomes_a_task(
    calendar: Calendar,
) -> None:
    """Nobody airway-trained is booked for a session, so no booking says that they are missing."""
    patient = await calendar.patient()
    session = next(one for one in on_weekdays(await calendar.course(patient)) if one["monitor_id"] != "tran")
    dose, ends = (datetime.fromisoformat(one) for one in (session["session"]["dose_at"], session["ends_at"]))
    hours = (ends - dose) / timedelta(hours=1)
    body = {"starts_at": session["starts_at"], "reason": "clinic", "monitor_id": "bell"}
    if session["monitor_id"] != "bell":
        await calendar.change(session["id"], "reschedule", **body)
    after = (dose + timedelta(minutes=20)).isoformat()
    await away(calendar, "rios", after, hours)
    last = await away(calendar, "osei", after, hours)
    assert await calendar.count(CONFLICTS, patient) == 0, "the nurse is there"
    await away(calendar, "tran", after, hours)
    assert await calendar.count(CONFLICTS, patient) == 1
    (task,) = [one for one in (await calendar.get("/api/v1/tasks"))["tasks"] if one["patient_id"] == str(patient)]
    assert "airway-trained" in task["detail"]
    back = await calendar.scheduling.http.delete(
        f"/api/v1/absences/{last['id']}", headers=calendar.scheduling.as_staff("dana")
    )
    assert back.status_code == 204
    assert await calendar.count(CONFLICTS, patient) == 0, "whoever of them comes back, it stands well"


async def test_two_leaves_at_once_do_not_each_take_the_other_for_present(calendar: Calendar) -> None:
    patient = await calendar.patient()
    session = on_weekdays(await calendar.course(patient))[-1]
    dose, ends = (datetime.fromisoformat(one) for one in (session["session"]["dose_at"], session["ends_at"]))
    after, hours = (dose + timedelta(minutes=20)).isoformat(), (ends - dose) / timedelta(hours=1)
    await asyncio.gather(*(away(calendar, person, after, hours) for person in ("osei", "rios", "tran")))
    assert await calendar.count(CONFLICTS, patient) >= 1
