"""A telephone and the clinic: intake's door and notifications' answers, by Twilio's protocol in both directions."""

import re

import pytest

from tests.support.sandbox import sandbox


@pytest.fixture
async def phone(world, start):
    async with sandbox(world) as outside:
        await start("notifications", delivery_poll_seconds=0.05)
        yield outside, await start("intake")


async def heard(outside, number, count):
    """What the clinic has texted to a number, once there are so many."""
    texts = await outside.texts(number)
    assert len(texts) >= count
    return [text["body"] for text in texts]


async def test_the_form_is_answered_by_text_and_by_email(phone, eventually):
    outside, intake = phone
    sent = await intake.http.post(
        "/", data={"name": "Jonah Price", "phone": "(385) 555-0148", "email": "jonah@patients.example",
                   "message": "Nothing has helped so far.", "consent_sms": "yes"},
    )  # fmt: skip
    assert sent.status_code == 303
    [text] = await eventually(lambda: heard(outside, "+13855550148", 1))
    assert "Thank you for writing to us" in text

    async def mail():
        return await outside.mails("jonah@patients.example")

    assert "Thank you for writing" in (await eventually(mail))[0]["text"]


async def test_a_stranger_gets_one_answer_and_the_link_in_it_opens_the_form(phone, eventually):
    outside, intake = phone
    await outside.say("+13855550201", "Hello, is anybody there?")
    [answer] = await eventually(lambda: heard(outside, "+13855550201", 1))
    found = re.search(r"http://\S+", answer)
    assert found is not None
    assert (await intake.http.get(found[0])).status_code == 200
    await outside.say("+13855550201", "I would like to know more")
    await outside.say("+13855550201", "HELP")
    texts = await eventually(lambda: heard(outside, "+13855550201", 2))
    assert "(801) 555-0100" in texts[1]
    assert len(texts) == 2


async def test_stop_is_confirmed_once_and_start_brings_texts_back(phone, eventually):
    outside, _ = phone
    await outside.say("+13855550202", "Hello")
    await eventually(lambda: heard(outside, "+13855550202", 1))
    await outside.say("+13855550202", "STOP")
    texts = await eventually(lambda: heard(outside, "+13855550202", 2))
    assert "no more texts" in texts[1]
    await outside.say("+13855550202", "stop")
    await outside.say("+13855550202", "START")
    texts = await eventually(lambda: heard(outside, "+13855550202", 3))
    assert len(texts) == 3
    assert "You get our texts again" in texts[2]
