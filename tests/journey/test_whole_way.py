"""Every step of the clinic's article in its order, over the public doors and the sandbox only.

The tests of this module are the steps of one story and run in its order.
"""

import re
from datetime import timedelta
from functools import partial
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from passage.demo.browser import Page
from shared.db.migrate import SERVICES
from tests.support import secrecy
from tests.support.person import Person
from tests.support.secrecy import Needle
from tests.support.story import MAILBOX, PHONE, Story
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
TEXTER, CALLER, BOOKER = "+18015550177", "+18015550166", "801 555 0155"
QUESTION = "Do you take new patients?"
ANSWERS = ("solids", "fluids", "alcohol", "sleep", "calm", "clothes")


async def texts_to(story: Story, number: str) -> list[str]:
    answer = await story.sandbox.get("/api/messages", params={"to": number})
    return [message["body"] for message in answer.json() if message["direction"] != "inbound"]


async def patient_named(story: Story, name: str) -> str:
    """The id in the link of the board's card with this name, as soon as it is there."""
    dana = await story.signed_in("dana")

    async def look() -> str:
        page = await dana.open(story.desk)
        found = re.search(rf'/patients/([0-9a-f-]{{36}})"[^>]*>\s*{name}', page.html)
        return found.group(1) if found else ""

    return await eventually(look)


def link_in(words: str, kind: str) -> str:
    """The first link of that kind of page: `p` visit, `b` booking, `a` telling, `e` escort, `s` the day after."""
    found = re.search(rf"https?://[^\s\"<&]+/{kind}/[\w-]{{22}}", words)
    assert found, words
    return found.group(0)


async def test_contact_by_text_is_answered_once_with_the_forms_link(story: Story) -> None:
    await story.sandbox.post("/api/texts", json={"from": TEXTER, "body": QUESTION})
    await eventually(lambda: texts_to(story, TEXTER))
    [answer] = await texts_to(story, TEXTER)
    assert story.stack.url("intake") in answer


async def test_contact_by_phone_leaves_a_voicemail_for_a_person(story: Story) -> None:
    heard = await story.sandbox.post("/api/calls", json={"from": CALLER, "seconds": 20})
    assert "Harbor Clinic" in heard.json()["heard"][0]
    dana = await story.signed_in("dana")

    async def listed() -> bool:
        return "voicemail" in (await dana.open(f"{story.desk}/tasks")).text.lower()

    await eventually(listed)


async def test_contact_by_vagaro_is_a_lead_with_its_consultation(story: Story) -> None:
    start = (await story.now() + timedelta(days=3)).replace(hour=17, minute=0, second=0, microsecond=0)
    made = {"kind": "booking", "name": "Rosa Delgado", "phone": BOOKER, "starts_at": start.isoformat()}
    sent = await story.sandbox.post("/api/vagaro", json={**made, "appointment_first": True, "twice": True})
    assert set(sent.json()["answers"]) == {204}
    rosa = await patient_named(story, "Rosa Delgado")
    story.id, page = rosa, await story_page(story, rosa)

    async def booked() -> bool:
        return "Consultation" in (await story_page(story, rosa)).text

    await eventually(booked)
    assert page.status == 200


async def story_page(story: Story, patient: str, path: str = "") -> Page:
    return await (await story.signed_in("dana")).open(f"{story.desk}/patients/{patient}{path}")


async def test_contact_by_form_also_inside_the_clinics_own_site(story: Story) -> None:
    page = await story.patient.open(f"{story.stack.url('intake')}/?embed=1")
    form = page.form(lang="en")
    enquiry = {"name": "Jonah Price", "phone": "(801) 555-0148", "email": MAILBOX, "message": "Nothing has helped."}
    thanks = await story.patient.send(page, form, **enquiry, consent_sms="yes", consent_email="yes")
    assert thanks.status == 200, thanks.text
    assert len(await eventually(story.mails)) == 1
    story.id = await patient_named(story, "Jonah Price")


async def test_the_first_consultation_is_booked_by_the_patient_over_a_link(story: Story) -> None:
    dana = await story.signed_in("dana")
    page = await story.page("dana", "/book")
    given = await dana.send(page, page.form("/book/link"))
    mine = await story.patient.open(link_in(given.html, "b"))
    form = next(form for form in mine.forms if form.choices.get("starts_at"))
    done = await story.patient.send(mine, form, starts_at=form.choices["starts_at"][1])
    assert done.status == 200, done.text
    await story.shows("Consultation with")
    mail = await eventually(lambda: story.mail_about("Your first talk"))
    assert [name for name in mail["attachments"] if name.endswith(".ics")]


async def test_history_goals_and_what_was_tried_are_told_on_the_phone_and_consent_is_signed(story: Story) -> None:
    dana = await story.signed_in("dana")
    page = await story.page("dana", "/chart")
    link = link_in((await dana.send(page, page.form("/chart/link"))).html, "a")

    async def tell(step: str, **values: Any) -> None:
        mine = await story.patient.open(f"{link}?step={step}")
        kept = await story.patient.send(mine, mine.form(step=step), **values)
        assert kept.status == 200, kept.text

    await tell("about", born="1980-04-02")
    await tell("medicines")
    await tell("tried", **{"trials-0-name": "Sertraline", "trials-0-dose": "100 mg", "trials-0-outcome": "none"})
    await tell("goals", hopes="To sleep, and to work again", support="Karin")
    mine = await story.patient.open(f"{link}?step=consent-lozenge")
    assert "compounded" in mine.text.lower()
    signed = await story.patient.send(mine, mine.form(step="consent-lozenge"), agreed="yes", name="Jonah Price")
    assert signed.status == 200, signed.text
    chart = (await story.page("dana", "/chart")).text
    for words in ("Sertraline", "To sleep, and to work again"):
        assert words in chart


async def test_insurance_is_asked_of_the_payer_and_never_blocks(story: Story) -> None:
    dana = await story.signed_in("dana")
    page = await story.page("dana", "/chart/insurance")
    card = {"payer": "Mountain Health", "payer_id": "62308", "member_id": "MH-55013-K"}
    saved = await dana.send(page, page.form("/chart/insurance"), **card)
    assert saved.status == 200, saved.text
    await story.shows("The plan is active. Whether it covers this treatment isn't known", path="/chart")
    await story.shows("plan active")


async def test_a_licensed_provider_approves_lozenge_sessions_with_a_condition(story: Story) -> None:
    osei = await story.signed_in("osei")
    page = await story.page("osei", "/chart")
    await osei.send(page, page.form("/complete"))
    await story.shows("is ready for a decision")
    await story.decide("osei", route="lozenge", sessions=4)
    page = await story.shows("4 sessions booked")
    assert "lozenge" in page.text
    mail = await eventually(lambda: story.mail_about("Your 4 visits"))
    assert [name for name in mail["attachments"] if name.endswith(".ics")]


async def test_each_point_of_the_preparation_is_answered_and_the_escort_says_yes(story: Story) -> None:
    link = link_in((await story.mail_about("Your 4 visits"))["text"], "p")
    page = await story.patient.open(link)
    ride = await story.patient.send(page, page.form("/ride"), escort="Karin Price")
    assert "Karin Price" in ride.text
    for code in ANSWERS:
        page = await story.patient.open(link)
        form = next((form for form in page.forms if form.fields.get("item") == [code]), None)
        if form is not None:
            assert (await story.patient.send(page, form, answer="yes")).status == 200
    escort = story.people["escort"] = Person()
    theirs = await escort.open(link_in((await story.patient.open(link)).html, "e"))
    said = await escort.send(theirs, theirs.form(), answer="yes")
    assert said.status == 200, said.text
    page = await story.shows("ride confirmed")
    assert "Karin Price" in page.text


async def test_the_session_day_goes_from_gate_to_gate_and_ends_with_the_escort(story: Story) -> None:
    path = await session_page(story)
    tran, osei = await story.signed_in("tran"), await story.signed_in("osei")

    page = await story.page("tran", path)
    arrived = await tran.send(page, page.form("/check-in"), fasting="yes", pregnancy="yes")
    assert arrived.status == 200, arrived.text
    vitals = {"systolic": "122", "diastolic": "78", "heart_rate": "70", "spo2": "98"}
    page = await story.page("tran", path)
    await tran.send(page, page.form("/vitals"), **vitals)

    async def may_dose() -> Page | None:
        page = await story.page("osei", path)
        return page if any(form.action.endswith("/dose") for form in page.forms) else None

    page = await eventually(may_dose)
    await osei.send(page, page.form("/dose"))
    early = await story.page("tran", path)
    assert not [form for form in early.forms if form.action.endswith("/discharge")], "observation is not over"
    page = await story.page("tran", path)
    await tran.send(page, page.form("/side-effects"), effect="nausea", severity="mild")
    await story.until(await story.now() + timedelta(minutes=150))
    page = await story.page("tran", path)
    await tran.send(page, page.form("/vitals"), **vitals)

    async def may_go() -> bool:
        page = await story.page("tran", path)
        if any(form.action.endswith("/discharge") for form in page.forms):  # once gone, only the board is waited for
            await tran.send(page, page.form("/discharge"), escort_present="yes")
        return "Session 1 of 4 ended" in (await story.page("dana")).text

    await eventually(may_go, every=1.0, timeout=30)


async def session_page(story: Story) -> str:
    """Let hours pass until the session's day has come; the path of its page."""
    start = await story.now()
    for half_day in range(1, 24):
        page = await story.page("tran")
        found = re.search(r"/patients/[0-9a-f-]{36}(/session/[0-9a-f-]{36})", page.html)
        if found:
            return found.group(1)
        await story.until(start + timedelta(hours=12 * half_day))
    raise AssertionError("the day of the first session never came")


async def test_the_day_after_a_severe_answer_raises_a_task_at_once(story: Story) -> None:
    asked = ""
    for _ in range(6):
        said = [*(mail["text"] for mail in await story.mails()), *await texts_to(story, PHONE)]
        asked = next((words for words in said if re.search(r"/s/[\w-]{22}", words)), "")
        if asked:
            break
        await story.until(await story.now() + timedelta(hours=8))
    link = link_in(asked, "s")
    page = await story.patient.open(link)
    form = page.form()
    answer = await story.patient.send(page, form, how="unwell", dizziness="severe", since="today")
    assert "911" in answer.text
    osei = await story.signed_in("osei")

    async def listed() -> bool:
        return "Jonah Price" in (await osei.open(f"{story.desk}/tasks")).text

    await eventually(listed)


async def test_something_else_is_recommended_and_a_later_return_is_one_action(story: Story) -> None:
    story.id = await patient_named(story, "Rosa Delgado")
    osei = await story.signed_in("osei")
    for kind, values in (
        ("history", {"born": "1985-01-01"}),
        ("goals", {"hopes": "To feel better"}),
        ("tried", {}),
    ):
        page = await story.page("osei", f"/chart/{kind}")
        assert (await osei.send(page, page.form(f"/chart/{kind}"), **values)).status == 200
    page = await story.page("osei", "/chart")
    await osei.send(page, page.form("/complete"))
    await story.shows("is ready for a decision")
    sheet = await story.page("osei", "/decision")
    form = next(form for form in sheet.forms if form.fields.get("action") == ["alternative"])
    asked = await osei.send(sheet, form, alternative="emdr", reason="Not tried yet", referral="L. Hughes")
    if any("code" in form.fields for form in asked.forms):
        asked = await osei.confirm(asked, password=story.login("osei")["password"])
    await osei.send(asked, next(form for form in asked.forms if "/decision/" in form.action))
    await story.shows("EMDR")
    page = await story.page("dana", "/chart")
    dana = await story.signed_in("dana")
    await dana.send(page, page.form("/reopen"))

    async def back() -> bool:
        page = await story.page("dana")
        assert "Board / Assessment" in page.text, page.text
        return True

    await eventually(back)


NAMES = frozenset({"name", "escort", "support", "referral", "trials-0-name"})
STRANGER, POISONED = Needle("name", "Zebulon Quartermain"), "passage.scheduling.v1"
OUTSIDE = {
    "sandbox.jsonl": "the outside world's own store: the patient's phone and mailbox",
    "secrets": "the demo staff's own logins, which a stack on one machine hands out",
    "stack.json": "the same",
}


async def said(story: Story) -> list[Needle]:
    """Everything that people typed, sent, or were given to open their pages with."""
    typed = [one for person in (story.patient, *story.people.values()) for one in person.typed]
    needles = {
        Needle("name" if field in NAMES else "phone" if field == "phone" else "words", words)
        for field, words in typed
        if field not in {"username", "code"}
    }
    needles |= {Needle("phone", number) for number in (TEXTER, CALLER, BOOKER, PHONE)}
    needles |= {Needle("name", "Rosa Delgado"), Needle("words", QUESTION), Needle("words", MAILBOX)}
    shown = [mail["text"] for mail in await story.mails()] + await texts_to(story, PHONE)
    tokens = {found for words in shown for found in re.findall(r"/[abeps]/([\w-]{22})", words)}
    assert tokens
    return [*needles, *(Needle("words", token) for token in tokens)]


async def test_nothing_that_was_said_is_readable_where_it_is_kept_or_told(story: Story) -> None:
    dana = await story.signed_in("dana")
    board = await dana.open(story.desk)
    found = await dana.send(board, board.form("/patients"), q="Jonah Price")
    assert "Jonah Price" in found.text
    needles = await said(story)
    conn = await asyncpg.connect(story.stack.facts["database_url"])
    try:
        await poisoned(story, conn)
        await conn.execute("checkpoint")
        tables = await secrecy.tables(conn)
    finally:
        await conn.close()
    topics = dict(await secrecy.topics(story.stack.facts["kafka"]))
    assert STRANGER.said.encode() in topics.pop(f"topic {POISONED}"), "by its producer, which is not ours"
    assert all(topics[f"topic {name}"] for name in ("passage.intake.v1", "passage.dashboard.dlq.v1"))
    logs = [(f"log {path.name}", path.read_bytes()) for path in (story.stack.state / "logs").iterdir()]
    assert all(any(name in place and told for place, told in logs) for name in SERVICES)

    async def traced() -> bool:
        told = b"".join(story.traces.told)
        return all(f"passage-{name}".encode() in told for name in SERVICES)

    await eventually(traced)
    places = [*tables, *topics.items(), *logs, ("traces", b"\n".join(story.traces.told))]
    assert [str(one) for one in secrecy.search(places, [*needles, STRANGER])] == []
    everything = {path.name: path for path in secrecy.files(story.stack.state, apart_from={})}
    assert any(QUESTION in one for one in secrecy.on_disk([everything["sandbox.jsonl"]], needles))
    inside = secrecy.files(story.stack.state, apart_from=OUTSIDE)
    assert secrecy.on_disk(inside, [*needles, STRANGER]) == []


async def poisoned(story: Story, conn: asyncpg.Connection) -> None:
    """A producer that is not ours writes in the clear to one of our topics; what is kept of that is sealed."""
    async with AIOKafkaProducer(bootstrap_servers=story.stack.facts["kafka"]) as producer:
        words = f"not an event, {STRANGER.said}".encode()
        await producer.send_and_wait(POISONED, words, key=STRANGER.said.encode(), headers=[("from", words)])
    for reader in ("dashboard", "notifications"):
        letters = partial(conn.fetchval, f"select count(*) from {reader}.dead_letters")
        await eventually(letters, equals=1)
