"""Who takes the patient home says so themselves, over a link of their own: real Kafka, Twilio's protocol, the pages."""

import re
from html import unescape

import pytest

from shared.contracts.scheduling import AppointmentKind, AppointmentRescheduled
from tests.support.told import told

HTML = {"accept": "text/html"}
ESCORT = "+13855550171"


@pytest.fixture(scope="module")
async def stack(world):
    async with told(world) as made:
        yield made


async def named(stack, page: str, visit: str, **form: str) -> str:
    """The patient names somebody on their page; the path of the link that they are shown to pass on."""
    answer = await stack.http.post(f"{page}/ride", data={"visit": visit, "escort": "Karin Price", **form})
    assert answer.status_code == 303, answer.text
    shown = await stack.http.get(page, params={"visit": visit}, headers=HTML)
    assert "Their own yes is still missing" in shown.text
    assert "sms:?&amp;body=" in shown.text
    found = re.search(r'value="http://[^/]+(/e/[\w-]{22})"', unescape(shown.text))
    assert found, shown.text
    return found[1]


async def ride(stack, patient):
    return (await stack.ledger(patient))["rides"][0]


async def open_tasks(stack, patient) -> list[str]:
    tasks = (await stack.http.get("/api/v1/tasks", headers=stack.running.as_staff("dana"))).json()["tasks"]
    return [task["kind"] for task in tasks if task["patient_id"] == str(patient)]


async def test_the_escort_reads_what_is_asked_and_says_yes(stack):
    patient, booked, page = await stack.approved()
    link = await named(stack, page, str(booked[0].appointment_id))
    asked = await stack.http.get(link, headers=HTML)
    assert asked.status_code == 200
    for words in ("Please be with us by", "Stay until", "alone", "may not drive before"):
        assert words in asked.text
    spanish = await stack.http.get(f"{link}?lang=es", headers=HTML)
    assert "Puede llevar" in spanish.text
    stack.http.cookies.clear()
    assert (await stack.http.post(link, data={"answer": "yes", "phone": "12"}, headers=HTML)).status_code == 422
    answer = await stack.http.post(link, data={"answer": "yes", "phone": "(385) 555-0171"})
    assert answer.status_code == 303
    assert "Thank you. You take them home." in (await stack.http.get(answer.headers["location"], headers=HTML)).text
    known = await ride(stack, patient)
    assert (known["state"], known["escort"], known["escort_said"]) == ("confirmed", "Karin Price", "yes")
    assert known["escort_phone"] == ESCORT
    assert await stack.outside.texts(ESCORT) == [], "nobody is texted without the patient's or their own wish"
    shown = await stack.http.get(page, headers=HTML)
    assert "They said yes themselves" in shown.text
    async with stack.running.service.reading() as uow:
        said = await uow.conn.fetch(
            "select coalesce(body->'data'->>'by', body->>'by') as by from event_log where subject = $1"
            " and type like '%TransportConfirmed%' order by id", patient,
        )  # fmt: skip
    assert [row["by"] for row in said] == ["patient", "escort"]


async def test_a_no_holds_the_session_calls_a_person_and_asks_the_patient_again(stack, eventually):
    patient, booked, page = await stack.approved()
    visit = str(booked[0].appointment_id)
    link = await named(stack, page, visit)
    answer = await stack.http.post(link, data={"answer": "no"})
    shown = await stack.http.get(answer.headers["location"], headers=HTML)
    assert "We ask them for somebody else" in shown.text
    known = await ride(stack, patient)
    assert (known["state"], known["escort"], known["escort_said"]) == ("missing", None, "no")
    assert "escort-declined" in await open_tasks(stack, patient)

    async def asked_again():
        ledger = await stack.ledger(patient)
        [mail] = [it for it in ledger["messages"] if it["kind"] == "escort_declined"]
        assert mail["sent_at"]
        return mail

    assert "can't take you home" in (await eventually(asked_again))["body"]
    assert (await stack.http.post(link, data={"answer": "yes"})).status_code == 303
    assert (await ride(stack, patient))["state"] == "missing", "a link is used up by its no"
    await named(stack, page, visit, escort="Ana")
    known = await ride(stack, patient)
    assert (known["state"], known["escort"], known["escort_said"]) == ("confirmed", "Ana", None)
    assert "escort-declined" not in await open_tasks(stack, patient)


async def test_the_escort_is_texted_only_where_the_patient_gave_their_number(stack, eventually):
    patient, booked, page = await stack.approved()
    visit = str(booked[0].appointment_id)
    wrong = await stack.http.post(
        f"{page}/ride", data={"visit": visit, "escort": "Karin", "phone": "call her"}, headers=HTML
    )
    assert wrong.status_code == 422
    assert "This is no phone number" in wrong.text
    await named(stack, page, visit, phone="385 555 0172")

    async def planned():
        ledger = await stack.ledger(patient)
        [text] = [it for it in ledger["messages"] if it["kind"] == "escort_invite"]
        return text

    text = await eventually(planned)
    assert text["state"] in ("planned", "ready", "sending", "sent", "delivered")
    if text["state"] == "planned":  # it is night in Denver
        await stack.outside.forward(to=text["due_at"])

    async def arrived():
        [one] = await stack.outside.texts("+13855550172")
        return one

    body = (await eventually(arrived))["body"]
    assert body.startswith("Harbor Clinic: Somebody who visits us on ")
    assert "/e/" in body
    assert "STOP" in body


async def test_nobody_sends_texts_to_strangers_through_the_clinic(stack):
    patient, booked, page = await stack.approved()
    visit = str(booked[0].appointment_id)
    for number in range(8):
        await named(stack, page, visit, escort=f"Friend {number}", phone=f"+1385555019{number}")
    ledger = await stack.ledger(patient)
    assert len([it for it in ledger["messages"] if it["kind"] == "escort_invite"]) == 4


async def test_another_person_and_another_day_make_the_old_link_say_nothing(stack, eventually):
    patient, booked, page = await stack.approved()
    visit = booked[0]
    first = await named(stack, page, str(visit.appointment_id))
    second = await named(stack, page, str(visit.appointment_id), escort="Ana Price")
    over = await stack.http.get(first, headers=HTML)
    assert "You need not do anything" in over.text
    assert (await stack.http.get(second, headers=HTML)).text.count("may not drive") == 1
    to = visit.starts_at.replace(hour=17)
    day = AppointmentRescheduled(
        patient_id=patient, appointment_id=visit.appointment_id, kind=AppointmentKind.SESSION, revision=1,
        was_at=visit.starts_at, starts_at=to + (booked[1].starts_at - visit.starts_at) / 3, dose_at=None,
        ends_at=to + (booked[1].starts_at - visit.starts_at) / 3 + (visit.ends_at - visit.starts_at),
        zone="America/Denver", reason="patient-asked",
    )  # fmt: skip
    await stack.producers.say("scheduling", day)

    async def gone():
        assert "You need not do anything" in (await stack.http.get(second, headers=HTML)).text
        return True

    await eventually(gone)
    assert (await stack.http.get("/e/AAAAAAAAAAAAAAAAAAAAAA", headers=HTML)).status_code == 404
