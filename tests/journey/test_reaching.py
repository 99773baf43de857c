"""Ways to the clinic that need two services to answer: a call that nobody takes."""

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
