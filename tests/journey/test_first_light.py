"""One patient's way, through the processes that `make up` starts: pages, sandbox phone and mailbox, nothing else.

The tests of this module are the steps of one story and run in its order.
"""

import re
from datetime import timedelta
from typing import Any

import pytest

from tests.support.story import MAILBOX, Story
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
WORDS = "I have tried two medications and nothing has helped so far."
ASKED = "Reply 1 if somebody does"
TOKEN = re.compile(r"/p/[\w-]{22}(?![\w-])")
"""A link's end, at random: now and then it holds an `Mg`."""
NEVER = re.compile(
    r"ketamin|esketamin|spravato|lozenge|injection|intramuscular|depress|PTSD|trauma|OCD|dose|\bmg\b|PHQ|diagnos|therap",
    re.IGNORECASE,
)


async def test_1_an_enquiry_in_plain_words_is_answered_once_by_text_and_mail(story: Story) -> None:
    page = await story.patient.open(story.stack.url("intake"))
    form = page.form(lang="en")
    assert "consent_sms" not in form.fields, "consent is never pre-ticked"
    enquiry = {"name": "Jonah Price", "phone": "(801) 555-0148", "email": MAILBOX, "message": WORDS}
    for _ in range(2):  # an impatient second press of the button
        thanks = await story.patient.send(page, form, **enquiry, consent_sms="yes", consent_email="yes")
        assert thanks.status == 200
        assert "/thanks" in thanks.url
    assert len(await eventually(story.texts)) == 1
    assert len(await eventually(story.mails)) == 1
    assert "Harbor Clinic" in (await story.texts())[0]
    assert "STOP" in (await story.texts())[0]


async def test_2_the_front_desk_sees_the_card_and_books_the_first_consultation(story: Story) -> None:
    dana = await story.signed_in("dana")

    async def card() -> str:
        found = re.search(r"/patients/([0-9a-f-]{36})", (await dana.open(story.desk)).html)
        return found.group(1) if found else ""

    story.id = await eventually(card)
    page = await story.shows("We texted")
    assert "Jonah Price" in page.text
    assert WORDS in page.text
    offers = await story.page("dana", "/book")
    form = next(form for form in offers.forms if form.choices.get("starts_at"))
    booked = await dana.send(offers, form, starts_at=form.choices["starts_at"][2])
    assert booked.status == 200, booked.text
    await story.shows("Consultation with")
    again = await dana.send(offers, form, starts_at=form.choices["starts_at"][2])
    assert again.status < 500
    page = await story.shows("Consultation with")
    assert page.text.count("Consultation with") == 1, "the same press twice books once"
    await eventually(lambda: story.mail_about("Your first talk"))


async def test_3_the_chart_is_written_and_completed(story: Story) -> None:
    osei = await story.signed_in("osei")

    async def write(kind: str, **values: Any) -> None:
        page = await story.page("osei", f"/chart/{kind}")
        saved = await osei.send(page, page.form(f"/chart/{kind}"), **values)
        assert saved.url.endswith(f"/chart#{kind}"), saved.text

    await write("history", born="1980-04-02", notes="Nothing of note.")
    await write("goals", hopes="To sleep, and to work again")
    form = (await story.page("osei", "/chart/tried")).form("/chart/tried")
    rest = len(form.fields["trials_name"]) - 1
    await write("tried", trials_name=["Sertraline", *[""] * rest], trials_dose=["100 mg", *[""] * rest])
    await write("insurance", status="active", payer="Mountain Health", member_id="MH-1")
    page = await story.page("osei", "/chart")
    assert "Mountain Health" in page.text
    await osei.send(page, page.form("/complete"))
    await story.shows("The assessment (version 1) is ready for a decision")


@pytest.mark.parametrize("person", ["dana", "tran", "ops", "audit"])
async def test_4_nobody_else_reaches_the_decision(story: Story, person: str) -> None:
    page = await story.page(person, "/decision")
    assert page.status == 403
    assert not [form for form in page.forms if form.action.endswith("/decision")]


async def test_5_a_provider_whose_licence_ran_out_is_refused_by_the_service(story: Story) -> None:
    refused = await story.decide("lang")
    assert "licence" in refused.text.lower(), refused.text
    assert "approved 6 sessions" not in (await story.page("dana")).text


async def test_6_a_licensed_provider_signs_and_six_sessions_are_booked(story: Story) -> None:
    await story.decide("osei")
    page = await story.shows("6 sessions booked")
    assert "approved 6 sessions" in page.text
    mail = await eventually(lambda: story.mail_about("Your 6 visits"))
    assert len(re.findall(r"\n\w+day \d+ \w+, \d+:\d\d", mail["text"])) == 6
    planned = await story.page("dana", "/planned")
    for message in ("Who takes you home?", "How to prepare", "How are you?"):
        assert message in planned.text


async def test_7_the_answer_1_confirms_the_ride_and_the_board_shows_it(story: Story) -> None:
    start = await story.now()
    for day in range(1, 6):
        if any(ASKED in text for text in await story.texts()):
            break
        await story.until(start + timedelta(days=day))
    assert any(ASKED in text for text in await story.texts())
    await story.say("1")
    page = await story.shows("They confirmed the ride home")
    assert "Ride home" in page.text
    assert "ride confirmed" in (await (await story.signed_in("dana")).open(story.desk)).text


async def test_8_no_answer_holds_the_next_session_and_asks_a_person(story: Story) -> None:
    start = await story.now()

    async def held() -> bool:
        return "held" in (await story.page("dana")).text

    for day in range(1, 9):
        if await held():
            break
        await story.until(start + timedelta(days=day))
    page = await story.shows("held")
    assert "ride" in page.text
    tasks = await (await story.signed_in("dana")).open(f"{story.desk}/tasks")
    assert "Jonah Price" in tasks.text
    assert "ride" in tasks.text.lower()


async def test_9_no_message_named_a_drug_a_diagnosis_or_a_dose(story: Story) -> None:
    said = [*await story.texts(), *(part for mail in await story.mails() for part in (mail["subject"], mail["text"]))]
    assert len(said) > 12
    for words in said:
        assert not NEVER.search(TOKEN.sub("/p/", words)), words
        assert len(words) < 1_200
    for text in await story.texts():
        assert text.startswith("Harbor Clinic"), text
