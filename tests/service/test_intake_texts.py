"""The texting door: signed, once, and STOP before anything else."""

import asyncio
from uuid import uuid4

import pytest

from tests.support.intake import Intake


@pytest.fixture(scope="module")
async def intake(world):
    async with world.start("intake") as running:
        yield await Intake.of(running, world)


def number(last: int) -> str:
    return f"+1801556{last:04d}"


async def opted_out(intake, phone):
    found = await intake.rows(
        "select 1 from opt_outs where phone_hash = $1 and opted_in_at is null",
        intake.running.service.lookup.hash("phone", phone),
    )
    return bool(found)


async def test_a_text_from_an_unknown_number_becomes_a_lead(intake):
    answer = await intake.text("I read about you. Do you take new patients?", number(1))
    assert (answer.status_code, answer.text) == (200, '<?xml version="1.0" encoding="UTF-8"?><Response></Response>')
    assert answer.headers["content-type"].startswith("application/xml")
    patient = await intake.patient_of(number(1))
    events = await intake.events(patient)
    assert [name for name, _ in events] == ["LeadCreated", "TaskRaised"]
    assert events[0][1]["channel"] == "text"
    assert (await intake.box(patient)).open(events[0][1]["message"]).startswith("I read about you.")


async def test_a_text_of_a_patient_joins_their_thread(intake):
    patient = (await intake.lead(phone=number(2))).json()["patient_id"]
    await intake.text("Karin, my wife", number(2), NumMedia="2")
    name, received = (await intake.events(patient))[-1]
    assert name == "MessageReceived"
    assert (received["channel"], received["keyword"], received["media"]) == ("text", None, 2)
    assert (await intake.box(patient)).open(received["body"]) == "Karin, my wife"


async def test_a_text_delivered_ten_times_at_once_is_one(intake):
    sid = f"SM{uuid4().hex}"
    answers = await asyncio.gather(*(intake.text("hello", number(3), sid=sid) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert await intake.names(await intake.patient_of(number(3))) == ["LeadCreated", "TaskRaised"]


async def test_stop_of_a_stranger_is_kept_and_makes_no_patient(intake):
    before = await intake.patients()
    await intake.text("STOP", number(4))
    assert await opted_out(intake, number(4))
    assert await intake.patients() == before
    assert await intake.patient_of(number(4)) is None


async def test_every_service_hears_of_a_strangers_stop_by_the_numbers_keyed_hash(intake):
    hashed = intake.running.service.lookup.hash("phone", number(34))
    for words in ("STOP", "stop", "START", "START"):
        await intake.text(words, number(34))
    found = await intake.rows(
        "select type, subject, sequence, body from event_log where type like '%NumberOpted%' order by id"
    )
    said = [row for row in found if hashed.hex() in row["body"]]
    assert [row["type"].split(".")[2] for row in said] == ["NumberOptedOut", "NumberOptedOut", "NumberOptedIn"]
    assert len({row["subject"] for row in said}) == 1
    assert [row["sequence"] for row in said] == [1, 2, 3]
    assert not any(number(34) in row["body"] for row in found)


async def test_a_stop_stands_when_the_stranger_becomes_a_patient_later(intake):
    await intake.text("Unsubscribe", number(5))
    patient = (await intake.lead(phone=number(5), consent_sms=True)).json()["patient_id"]
    events = await intake.events(patient)
    assert [name for name, _ in events] == ["LeadCreated", "ConsentRevoked", "TaskRaised"]
    assert events[0][1]["consents"] == []
    shown = await intake.http.get(f"/api/v1/patients/{patient}", headers=intake.running.as_staff("dana"))
    assert shown.json()["may_text"] is False


async def test_a_stop_stands_when_the_number_is_added_to_a_patient_known_otherwise(intake):
    await intake.text("STOP", number(30))
    patient = (await intake.lead(email="stopped30@example.com", consent_email=True)).json()["patient_id"]
    await intake.lead(email="stopped30@example.com", phone=number(30), consent_sms=True)
    events = await intake.events(patient)
    names = [name for name, _ in events]
    assert "phone" in dict(events)["LeadUpdated"]["changed"]
    assert names.index("ConsentRevoked") < names.index("LeadUpdated")
    assert dict(events)["ConsentRevoked"] | {"kind": "sms", "channel": "api"} == dict(events)["ConsentRevoked"]
    assert [body["kind"] for name, body in events if name == "ConsentGiven"] == ["email"]


async def test_a_yes_for_another_number_does_not_undo_the_stop_of_the_one_we_text(intake):
    patient = (await intake.lead(phone=number(31), email="two31@example.com", consent_sms=True)).json()["patient_id"]
    await intake.text("STOP", number(31))
    await intake.lead(phone=number(32), email="two31@example.com", consent_sms=True)
    assert str(await intake.patient_of(number(32))) == patient
    await intake.text("START", number(32))
    names = await intake.names(patient)
    assert "ConsentGiven" not in names[names.index("ConsentRevoked") :]
    await intake.text("START", number(31))
    assert "ConsentGiven" in (await intake.names(patient))[-2:]


async def test_a_yes_to_e_mail_counts_for_the_address_that_we_write_to(intake):
    patient = (await intake.lead(phone=number(33), email="mine33@example.com")).json()["patient_id"]
    await intake.lead(phone=number(33), email="theirs33@example.com", consent_email=True)
    assert "ConsentGiven" not in await intake.names(patient)
    await intake.lead(phone=number(33), email="mine33@example.com", consent_email=True)
    assert "ConsentGiven" in await intake.names(patient)


async def test_stop_and_start_of_a_patient_take_effect_at_once(intake):
    patient = (await intake.lead(phone=number(6), consent_sms=True)).json()["patient_id"]
    await intake.text("stop", number(6))
    assert await opted_out(intake, number(6))
    assert (await intake.names(patient))[-2:] == ["ConsentRevoked", "MessageReceived"]
    await intake.text("Yes", number(6))
    assert not await opted_out(intake, number(6))
    events = await intake.events(patient)
    assert [name for name, _ in events[-2:]] == ["ConsentGiven", "MessageReceived"]
    assert events[-1][1]["keyword"] == "start"


async def test_yes_without_an_opt_out_is_an_ordinary_answer(intake):
    patient = (await intake.lead(phone=number(7))).json()["patient_id"]
    await intake.text("YES", number(7))
    name, received = (await intake.events(patient))[-1]
    assert (name, received["keyword"]) == ("MessageReceived", None)


async def test_cancel_opts_out_and_asks_about_the_appointment(intake):
    patient = (await intake.lead(phone=number(8))).json()["patient_id"]
    await intake.text("Cancel", number(8))
    assert await opted_out(intake, number(8))
    assert [str(task["subject"]) for task in await intake.open_tasks("text-cancel")] == [patient]


async def test_cancel_of_a_number_that_nobody_knows_is_asked_about_too(intake):
    sid = f"SM{uuid4().hex}"
    for _ in range(2):
        await intake.text("CANCEL", number(40), sid=sid)
    assert await opted_out(intake, number(40))
    assert await intake.patient_of(number(40)) is None
    (kept,) = [each for each in await intake.kept() if each["reason"] == "cancel-from-unknown"]
    assert number(40) in kept["text"]
    assert kept["id"] in [str(task["subject"]) for task in await intake.open_tasks("contact-unreadable")]


async def test_what_sounds_like_an_opt_out_is_read_by_a_person(intake):
    patient = (await intake.lead(phone=number(9))).json()["patient_id"]
    await intake.text("please don't text me anymore", number(9))
    assert not await opted_out(intake, number(9))
    assert [str(task["subject"]) for task in await intake.open_tasks("opt-out-doubt")] == [patient]


async def test_help_of_a_stranger_makes_a_lead_that_can_be_answered(intake):
    await intake.text("HELP", number(10))
    events = await intake.events(await intake.patient_of(number(10)))
    assert events[-1][0] == "MessageReceived"
    assert events[-1][1]["keyword"] == "help"


async def test_stop_and_a_lead_of_the_same_moment_never_leave_a_consent_behind(intake):
    for last in range(100, 120):
        await asyncio.gather(intake.text("STOP", number(last)), intake.lead(phone=number(last), consent_sms=True))
        names = await intake.names(await intake.patient_of(number(last)))
        assert "ConsentRevoked" in names, names
        assert names.index("ConsentRevoked") > names.index("LeadCreated")
        if "ConsentGiven" in names:
            assert names.index("ConsentRevoked") > names.index("ConsentGiven")


@pytest.mark.parametrize("change", [{"token": "0" * 32}, {}])
async def test_a_wrong_signature_is_refused_and_nothing_kept(intake, change):
    before = await intake.patients()
    if change:
        refused = await intake.text("hello", number(20), **change)
    else:
        refused = await intake.http.post(
            "/webhooks/twilio/messages", data={"MessageSid": "SM1", "From": number(20), "Body": "hello"}
        )
    assert (refused.status_code, refused.json()["code"]) == (403, "bad_signature")
    assert await intake.patients() == before


@pytest.mark.parametrize("sender", ["12345", "AMAZON", "anonymous", ""])
async def test_a_sender_that_cannot_be_answered_is_kept_for_a_person(intake, sender):
    sid = f"SM{uuid4().hex}"
    for _ in range(2):
        assert (await intake.text("your code is 1", sender, sid=sid)).status_code == 200
    kept = [each for each in await intake.kept() if each["text"].startswith(f"{sender}: your code")]
    assert len(kept) == 1
    assert kept[0]["reason"] == "sender-cannot-be-answered"


async def test_direction_marks_in_a_text_are_dropped(intake):
    await intake.text("\u202eevil\u202c \u0007hello", number(21))
    patient = await intake.patient_of(number(21))
    assert (await intake.box(patient)).open(
        dict(await intake.events(patient))["LeadCreated"]["message"]
    ) == "evil hello"


async def test_a_character_that_cannot_be_stored_is_dropped_and_the_text_is_not(intake):
    """Twilio doesn't send again what was refused."""
    assert (await intake.text("Call \x00me", number(27))).status_code == 200
    patient = await intake.patient_of(number(27))
    assert (await intake.box(patient)).open(dict(await intake.events(patient))["LeadCreated"]["message"]) == "Call me"
    assert (await intake.text("a\x00 code", "44398")).status_code == 200
    assert [each for each in await intake.kept() if each["text"].startswith("44398: a")]


async def test_a_picture_without_words_is_a_contact_too(intake):
    await intake.text("", number(22), NumMedia="1")
    assert await intake.patient_of(number(22)) is not None


PICTURE = "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME"


async def test_pictures_are_kept_with_the_words_for_a_person_and_sealed(intake):
    media = {"NumMedia": "2", "MediaUrl0": f"{PICTURE}1", "MediaContentType0": "image/jpeg",
             "MediaUrl1": f"{PICTURE}2", "MediaContentType1": "<b>"}  # fmt: skip
    await intake.text("My referral", number(23), **media)
    patient = await intake.patient_of(number(23))
    created = dict(await intake.events(patient))["LeadCreated"]
    whole = f"My referral\n[image/jpeg] {PICTURE}1\n[file] {PICTURE}2"
    assert (await intake.box(patient)).open(created["message"]) == whole
    await intake.text("STOP", number(23), **media)
    name, told = (await intake.events(patient))[-1]
    assert (name, told["keyword"], told["media"]) == ("MessageReceived", "stop", 2)
    rows = await intake.rows("select body::text as body from event_log where subject = $1", patient)
    assert not [row for row in rows if "api.twilio.com" in row["body"]]


async def test_pictures_from_who_cannot_be_answered_are_kept_too(intake):
    await intake.text("look", "90210", NumMedia="1", MediaUrl0=f"{PICTURE}9", MediaContentType0="image/png")
    kept = [each for each in await intake.kept() if each["text"].startswith("90210: look")]
    assert f"{PICTURE}9" in kept[0]["text"]


@pytest.mark.parametrize(
    ("last", "long"),
    [(24, "ñandú y más. " * 123), (25, "🙂" * 1600), (26, "word " * 1500)],
    ids=["es", "emoji", "beyond"],
)
async def test_a_long_text_is_kept_whole(intake, last, long):
    await intake.text(long, number(last), NumSegments="10")
    patient = await intake.patient_of(number(last))
    told = dict(await intake.events(patient))
    sealed = told["LeadCreated"]["message"]
    assert (await intake.box(patient)).open(sealed) == long.strip()
