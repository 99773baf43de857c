"""Ways to the clinic that need two services to answer: a call that nobody takes, a booking made in Vagaro."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.support.sandbox import sandbox


@pytest.fixture
async def outside(world, start):
    async with sandbox(world, state_file=None) as made:
        await start("notifications", delivery_poll_seconds=0.05)
        yield made, await start("intake", voicemail_wait_seconds=1)


async def call(outside, number, seconds=0):
    answer = await outside.http.post("/api/calls", json={"from": number, "seconds": seconds})
    assert answer.status_code == 201, answer.text


async def test_a_missed_call_is_answered_by_one_text_and_a_voicemail_by_a_person(outside, eventually):
    phone, intake = outside
    await call(phone, "+13855550301")
    await call(phone, "+13855550302", seconds=30)

    async def answered():
        return await phone.texts("+13855550301")

    [text] = await eventually(answered, timeout=30)
    assert text["body"].startswith("Harbor Clinic: We missed your call. A person calls you back by ")
    assert "Reply STOP" in text["body"]
    assert f"{intake.url}/" in text["body"]
    await call(phone, "+13855550301")
    await call(phone, "+13855550303")

    async def other_answered():
        return await phone.texts("+13855550303")

    await eventually(other_answered, timeout=30)
    assert len(await phone.texts("+13855550301")) == 1
    assert await phone.texts("+13855550302") == []
    tasks = await intake.http.get("/api/v1/tasks", headers=intake.as_staff("dana"))
    kinds = [task["kind"] for task in tasks.json()["tasks"]]
    assert kinds.count("listen-voicemail") == 1
    assert kinds.count("answer-lead") == 3


async def test_a_first_consultation_booked_in_vagaro_stands_here_moves_and_goes(world, start, eventually):
    async with sandbox(world, state_file=None) as vagaro:
        intake, scheduling = await start("intake"), await start("scheduling")
        day = scheduling.service.clock.now().astimezone(ZoneInfo("America/Denver")) + timedelta(days=7)
        at = (day - timedelta(days=day.weekday() - 1)).replace(hour=10, minute=0, second=0, microsecond=0)

        async def tell(**said):
            answer = await vagaro.http.post("/api/vagaro", json=said)
            assert answer.status_code == 201, answer.text
            return answer.json()

        booked = await tell(phone="(385) 555-0310", starts_at=at.isoformat(), appointment_first=True, twice=True)
        assert booked["answers"] == [204] * 4

        async def appointments():
            async with intake.service.reading() as uow:
                points = uow.lookup.hash("phone", "+13855550310")
                patient = await uow.conn.fetchval("select patient_id from contact_points where hash = $1", points)
            url = f"/api/v1/patients/{patient}/appointments"
            answer = await scheduling.http.get(url, headers=scheduling.as_staff("dana"))
            found = answer.json()
            return found if isinstance(found, list) else found["appointments"]

        [ours] = await eventually(appointments, timeout=30)
        assert (ours["kind"], ours["provider_id"]) == ("consultation", "osei")
        same = {"kind": "appointment", "action": "updated", "customer_id": booked["customer_id"],
                "appointment_id": booked["appointment_id"]}  # fmt: skip
        later = at + timedelta(hours=3)
        await tell(**same, starts_at=later.isoformat())

        async def begins():
            return [datetime.fromisoformat(one["starts_at"]) for one in await appointments()]

        await eventually(begins, equals=[later], timeout=30)
        await tell(**same, starts_at=later.isoformat(), status="Cancel")

        async def gone():
            return [one["state"] for one in await appointments()] in ([], ["cancelled"])

        await eventually(gone, timeout=30)
