"""The JSON door: one person is one patient, whatever comes twice, at once or wrong."""

import asyncio
import contextlib
import json
from uuid import UUID, uuid4

import httpx
import pytest

from passage.context import NotConfigured
from passage.users import let_in, shut_out
from services.intake.api import producers
from tests.support.intake import Intake
from tests.support.operating import operating


@pytest.fixture(scope="module")
async def intake(world):
    async with world.start("intake") as running:
        yield await Intake.of(running, world)


def number(last: int) -> str:
    return f"+1801555{last:04d}"


async def test_a_contact_becomes_a_patient_with_a_key_an_event_and_a_task(intake):
    answer = await intake.lead(name="Maya Lindqvist", phone="(801) 555-0148", email="Maya@Example.com",
                               message="Hello", consent_sms=True, language="es")  # fmt: skip
    assert answer.status_code == 201, answer.text
    patient = answer.json()["patient_id"]
    events = await intake.events(patient)
    assert [name for name, _ in events] == ["LeadCreated", "ConsentGiven", "TaskRaised"]
    created, box = events[0][1], await intake.box(patient)
    assert box.open(created["name"]) == "Maya Lindqvist"
    assert box.open_json(created["contact"]) == {"phone": "+18015550148", "email": "maya@example.com"}
    assert box.open(created["message"]) == "Hello"
    assert (created["consents"], created["language"], created["zone"]) == (["sms"], "es", "America/Denver")
    assert created["key"]["kid"]
    assert events[2][1]["kind"] == "answer-lead"
    assert events[2][1]["deadline"].startswith(answer.json()["answer_due"][:19])


@pytest.mark.parametrize(
    "lead",
    [{"phone": "+18015558801", "message": "é\u0001"}, {"phone": "12"}, {"phone": "+18015558802", "x": 1}, {}, [], "{"],
)
async def test_both_ways_of_the_door_answer_alike(intake, lead):
    """A charset beside the type sends a request the ordinary way, without it the quick one."""
    body = lead if isinstance(lead, str) else json.dumps(lead)
    headers = {"x-api-key": intake.key, "idempotency-key": f"both {body}"}
    quick, ordinary = [
        await intake.http.post("/api/v1/leads", content=body, headers={**headers, "content-type": kind})
        for kind in ("application/json", "application/json; charset=utf-8")
    ]
    told = [{**answer.json(), "instance": ""} for answer in (quick, ordinary)]
    assert (quick.status_code, quick.headers["content-type"]) == (
        ordinary.status_code,
        ordinary.headers["content-type"],
    )
    assert told[0] == told[1]


async def test_the_same_phone_fifty_times_at_once_is_one_patient(intake):
    before = await intake.patients()
    answers = await asyncio.gather(*(intake.lead(phone=number(200), message=f"again {n}") for n in range(50)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["patient_id"] for answer in answers}) == 1
    assert await intake.patients() == before + 1
    names = await intake.names(answers[0].json()["patient_id"])
    assert names.count("LeadCreated") == 1
    assert names.count("MessageReceived") == 49
    assert names.count("TaskRaised") == 1


async def test_phone_and_email_crossing_at_once_end_without_a_deadlock(intake):
    pairs = [(number(300 + n % 3), f"cross{n % 4}@example.com") for n in range(48)]
    answers = await asyncio.gather(*(intake.lead(phone=phone, email=email) for phone, email in pairs))
    assert {answer.status_code for answer in answers} == {201}
    orphans = await intake.rows(
        "select 1 from contact_points c where not exists (select from patients p where p.id = c.patient_id)"
    )
    assert orphans == []


async def test_the_same_email_joins_the_same_patient(intake):
    first = await intake.lead(email="one@example.com", name="Ana")
    second = await intake.lead(email="ONE@example.com", phone=number(400), message="my number now")
    assert first.json()["patient_id"] == second.json()["patient_id"]
    events = dict(await intake.events(first.json()["patient_id"]))
    assert events["LeadUpdated"]["changed"] == ["phone"]
    assert "MessageReceived" in events
    third = await intake.lead(phone=number(400))
    assert third.json()["patient_id"] == first.json()["patient_id"]


async def test_where_a_number_lies_is_told_when_it_becomes_known(intake):
    patient = (await intake.lead(email="east@example.com")).json()["patient_id"]
    await intake.lead(email="east@example.com", phone="+12125550188")
    updated = dict(await intake.events(patient))["LeadUpdated"]
    assert (updated["changed"], updated["zone"]) == (["phone", "zone"], "America/New_York")
    await intake.lead(email="east@example.com", phone="+12125550188")
    assert (await intake.events(patient))[-1][1].get("zone") is None


async def test_who_first_wrote_in_no_language_of_theirs_is_answered_in_the_one_they_choose(intake):
    await intake.text("Hola", number(450))
    patient = str(await intake.patient_of(number(450)))
    await intake.lead(phone=number(450), language="es")
    updated = dict(await intake.events(patient))["LeadUpdated"]
    assert (updated["changed"], updated["language"]) == (["language"], "es")
    for language in (None, "en", "fr"):  # the clinic's first language may be nobody's choice
        await intake.lead(phone=number(450), language=language)
    shown = await intake.http.get(f"/api/v1/patients/{patient}", headers=intake.running.as_staff("dana"))
    assert shown.json()["language"] == "es"


async def test_a_phone_of_one_and_an_email_of_another_ask_a_person_and_merge_nothing(intake):
    one = (await intake.lead(phone=number(500))).json()["patient_id"]
    other = (await intake.lead(email="other@example.com")).json()["patient_id"]
    joined = (await intake.lead(phone=number(500), email="other@example.com")).json()["patient_id"]
    assert joined == one != other
    tasks = [task for task in await intake.open_tasks("possible-duplicate") if str(task["subject"]) == one]
    assert [task["occurrence"] for task in tasks] == [other]
    assert (await intake.lead(email="other@example.com")).json()["patient_id"] == other


async def test_nobody_is_written_to_at_an_address_that_is_another_persons(intake):
    """Until a person has said who is who: the reminders of one would be read by the other."""
    one = (await intake.lead(phone=number(510), name="Ada Lind")).json()["patient_id"]
    other = (await intake.lead(email="eva@example.com", name="Eva Lind")).json()["patient_id"]
    await intake.lead(phone=number(510), email="eva@example.com", name="Ada Lind", consent_email=True)
    shown = await intake.http.get(f"/api/v1/patients/{one}", headers=intake.running.as_staff("dana"))
    assert (shown.json()["email"], shown.json()["phone"]) == (None, number(510))
    assert "ConsentGiven" not in dict(await intake.events(one))
    theirs = await intake.http.get(f"/api/v1/patients/{other}", headers=intake.running.as_staff("dana"))
    assert theirs.json()["email"] == "eva@example.com"


async def test_the_same_key_and_content_get_the_same_answer(intake):
    key, lead = uuid4().hex, {"phone": number(600), "message": "once"}
    answers = await asyncio.gather(*(intake.lead(key, **lead) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert await intake.names(answers[0].json()["patient_id"]) == ["LeadCreated", "TaskRaised"]


async def test_the_same_key_with_other_content_is_refused(intake):
    key = uuid4().hex
    assert (await intake.lead(key, phone=number(601))).status_code == 201
    refused = await intake.lead(key, phone=number(602))
    assert refused.status_code == 409
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "idempotency_key_reused"
    assert await intake.patient_of(number(602)) is None


async def test_a_difference_to_what_is_known_is_a_persons_to_settle(intake):
    patient = (await intake.lead(phone=number(603), email="first@example.com", name="Ana")).json()["patient_id"]
    await intake.lead(phone=number(603), email="second@example.com", name="Boris")
    (task,) = [task for task in await intake.open_tasks("contact-differs") if str(task["subject"]) == patient]
    assert (await intake.box(patient)).open(task["detail"]) == "name: Boris; email: second@example.com"
    shown = await intake.http.get(f"/api/v1/patients/{patient}", headers=intake.running.as_staff("dana"))
    assert (shown.json()["name"], shown.json()["email"]) == ("Ana", "first@example.com")


async def test_who_writes_with_their_mothers_telephone_does_not_become_her(intake):
    """Her visits must not be written to his address, nor his birthday into her chart; a person settles who he is."""
    mother = (await intake.lead(phone=number(604), name="Ana Ruiz")).json()["patient_id"]
    son = {"name": "Luis Ruiz", "email": "luis604@example.com", "date_of_birth": "2004-03-09", "language": "es"}
    assert (await intake.lead(phone=number(604), message="May I come too?", **son)).json()["patient_id"] == mother
    shown = (await intake.http.get(f"/api/v1/patients/{mother}", headers=intake.running.as_staff("dana"))).json()
    assert (shown["name"], shown["email"], shown["date_of_birth"], shown["language"]) == ("Ana Ruiz", None, None, "en")
    (task,) = [task for task in await intake.open_tasks("contact-differs") if str(task["subject"]) == mother]
    said = (await intake.box(mother)).open(task["detail"])
    assert said == "name: Luis Ruiz; email: luis604@example.com; date_of_birth: 2004-03-09", "nothing he said is lost"
    assert "MessageReceived" in await intake.names(mother)
    himself = await intake.lead(email="luis604@example.com", name="Luis Ruiz")
    assert himself.json()["patient_id"] != mother


@pytest.mark.parametrize(
    ("lead", "field"),
    [
        ({"phone": "12"}, "phone"),
        ({"phone": "000-000-0000", "email": "a@example.com"}, "phone"),
        ({"email": "nowhere"}, "email"),
        ({"name": "Maya"}, "phone"),
        ({"phone": 18015550148}, "phone"),
        ({"phone": "801 555 0148", "consent_sms": "perhaps"}, "consent_sms"),
        ({"phone": "801 555 0148", "surprise": 1}, "surprise"),
        ({"phone": "801 555 0148", "message": "x" * 8001}, "message"),
        ({"phone": "801 555 0148", "name": "a\x00b"}, "name"),
        ({"phone": "801 555 0148", "language": "english"}, "language"),
        ({"phone": "801 555 0148", "date_of_birth": "yesterday"}, "date_of_birth"),
        ({"phone": "801 555 0148", "date_of_birth": "1899-12-31"}, "date_of_birth"),
        ({"phone": "801 555 0148", "date_of_birth": "2199-01-01"}, "date_of_birth"),
        ({"phone": "801 555 0148", "channel": "vagaro"}, "channel"),
    ],
)
async def test_a_field_that_cannot_be_used_is_named_with_a_remedy(intake, lead, field):
    before = await intake.patients()
    refused = await intake.lead(**lead)
    assert refused.status_code == 422, refused.text
    (problem,) = refused.json()["fields"]
    assert problem["name"] == field
    assert problem["message"]
    assert problem["remedy"]
    assert await intake.patients() == before


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"null", b"[" * 100_000, b'{"phone": NaN}'])
async def test_what_is_no_contact_at_all_is_refused(intake, body):
    headers = {"x-api-key": intake.key, "idempotency-key": uuid4().hex, "content-type": "application/json"}
    refused = await intake.http.post("/api/v1/leads", content=body, headers=headers)
    assert refused.status_code in {400, 422}, refused.text
    assert refused.json()["code"]


async def test_a_lone_surrogate_is_refused_or_dropped_never_an_error_of_ours(intake):
    headers = {"x-api-key": intake.key, "idempotency-key": uuid4().hex, "content-type": "application/json"}
    body = rb'{"phone": "801 555 0149", "name": "Ma\ud800ya", "message": "\udfff"}'
    assert (await intake.http.post("/api/v1/leads", content=body, headers=headers)).status_code in {201, 422}


async def test_direction_marks_and_control_characters_are_cleaned(intake):
    patient = (await intake.lead(phone="\u202a+1 801 555 0777\u202c", name="Ma\u202eya\u0007")).json()["patient_id"]
    box = await intake.box(patient)
    created = dict(await intake.events(patient))["LeadCreated"]
    assert box.open(created["name"]) == "Maya"
    assert box.open_json(created["contact"])["phone"] == "+18015550777"


async def test_ten_megabytes_are_refused(intake):
    headers = {"x-api-key": intake.key, "idempotency-key": "big", "content-type": "application/json"}
    with contextlib.suppress(httpx.ReadError, httpx.WriteError):  # hung up on while it is still talking
        refused = await intake.http.post("/api/v1/leads", content=b"x" * 10_000_000, headers=headers)
        assert refused.status_code == 413
    assert await intake.rows("select 1 from accepted where key = sha256('big')") == []


@pytest.mark.parametrize("key", [None, "", "pk_wrong", "x" * 200])
async def test_without_the_clinics_key_nobody_hands_in(intake, key):
    headers = {"idempotency-key": "k"} if key is None else {"idempotency-key": "k", "x-api-key": key}
    refused = await intake.http.post("/api/v1/leads", json={"phone": number(700)}, headers=headers)
    assert refused.status_code == 401
    assert refused.json()["remedy"]


async def test_without_an_idempotency_key_nothing_is_taken(intake):
    refused = await intake.http.post("/api/v1/leads", json={"phone": number(701)}, headers={"x-api-key": intake.key})
    assert (refused.status_code, refused.json()["code"]) == (400, "no_idempotency_key")


async def test_in_bulk_each_item_is_accepted_or_refused_by_itself(intake):
    items = [
        {"key": "b1", "lead": {"phone": number(710)}},
        {"key": "b2", "lead": {"phone": "12"}},
        {"key": "b3", "lead": {"surprise": True}},
        {"key": "b1", "lead": {"phone": number(710)}},
    ]
    answer = await intake.http.post("/api/v1/leads/bulk", json=items, headers={"x-api-key": intake.key})
    assert answer.status_code == 200, answer.text
    assert [item["status"] for item in answer.json()] == [201, 422, 422, 201]
    assert answer.json()[0]["accepted"] == answer.json()[3]["accepted"]
    assert answer.json()[1]["problem"]["fields"][0]["name"] == "phone"


async def test_the_words_of_consent_are_there_for_other_programs(intake):
    texts = (await intake.http.get("/api/v1/consent-texts")).json()
    assert {(text["kind"], text["language"]) for text in texts} >= {("sms", "en"), ("sms", "es"), ("email", "en")}


async def test_nothing_that_identifies_a_person_is_stored_readably(intake):
    await intake.lead(name="Wilhelmina Quarkstein", phone=number(720), email="quarkstein@example.com",
                      message="unmistakable")  # fmt: skip
    for table in ("patients", "event_log", "tasks", "accepted", "contact_points", "consents"):
        for row in await intake.rows(f"select t::text from {table} t"):
            assert not any(secret in row[0].lower() for secret in ("quarkstein", "8015550720", "unmistakable")), table


async def test_strangers_of_one_moment_are_written_together_and_answered_each(intake):
    numbers = [number(1000 + n) for n in range(80)]
    known = (await intake.lead(phone=numbers[0])).json()["patient_id"]
    key = uuid4().hex
    answers = await asyncio.gather(
        *(intake.lead(phone=phone, message=f"I am {phone}", consent_sms=True) for phone in numbers),
        *(intake.lead(key, phone=number(1100)) for _ in range(3)),
        intake.lead(phone=numbers[7], email="seven@example.com"),
        intake.lead(phone="12"),
    )
    assert [answer.status_code for answer in answers].count(422) == 1
    patients = [answer.json()["patient_id"] for answer in answers[:80]]
    assert len(set(patients)) == 80
    assert patients[0] == known
    assert len({answer.json()["patient_id"] for answer in answers[80:83]}) == 1
    assert answers[83].json()["patient_id"] == patients[7]
    for phone, patient in zip(numbers[1:7], patients[1:7], strict=True):
        events, box = await intake.events(patient), await intake.box(patient)
        assert [name for name, _ in events] == ["LeadCreated", "ConsentGiven", "TaskRaised"]
        assert box.open(events[0][1]["message"]) == box.open(events[2][1]["detail"]) == f"I am {phone}"
    journeys = await intake.rows(
        "select count(distinct correlation), count(distinct actor), min(actor) from event_log where subject = any($1)",
        [UUID(patient) for patient in patients[1:7]],
    )
    assert tuple(journeys[0]) == (6, 1, "producer:website")


async def test_two_processes_that_meet_the_same_strangers_make_each_one_patient(intake, world):
    async with world.start("intake") as second:
        other = Intake(second, world, intake.key)
        leads = [{"phone": number(1200 + n), "email": f"meet{n}@example.com"} for n in range(40)]
        answers = await asyncio.gather(*(door.lead(**lead) for lead in leads for door in (intake, other)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["patient_id"] for answer in answers}) == 40
    for answer in answers[:6]:
        assert (await intake.names(answer.json()["patient_id"])).count("LeadCreated") == 1
    strays = await intake.rows(
        "select 1 from accepted a where not exists (select from patients p where p.id = a.patient_id)"
    )
    assert strays == []


async def test_a_producer_is_let_in_and_shut_out_by_command(intake, world, monkeypatch):
    operating(world, monkeypatch)
    monkeypatch.setattr(producers, "TRUSTED_SECONDS", 0.0)
    old, new = await let_in("partner"), await let_in("partner")
    asked = {"json": {"phone": number(9000)}, "headers": {"idempotency-key": uuid4().hex}}

    async def answers(key: str) -> int:
        headers = {**asked["headers"], "x-api-key": key}
        return (await intake.http.post("/api/v1/leads", json=asked["json"], headers=headers)).status_code

    assert [await answers(key) for key in (old, new)] == [201, 201]
    assert await shut_out("partner") == 2
    assert [await answers(key) for key in (old, new, await let_in("partner"))] == [401, 401, 201]
    with pytest.raises(NotConfigured, match="no API key"):
        await shut_out("nobody")
