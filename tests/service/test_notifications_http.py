"""The whole service over its real protocols: Kafka in, Twilio and SMTP out, the patient's page, the staff's API."""

from datetime import UTC, datetime, timedelta

import pytest
from twilio.request_validator import RequestValidator

from shared.contracts.intake import Channel, ConsentKind, MessageReceived
from shared.contracts.scheduling import AppointmentCancelled, AppointmentKind, ConsultationScheduled
from shared.ids import new_id
from tests.support.notifications import HASH
from tests.support.told import link, told

PHONE = "+18015550148"
HTML = {"accept": "text/html"}


@pytest.fixture(scope="module")
async def stack(world):
    async with told(world) as made:
        yield made


async def test_an_approved_patient_is_told_reminded_asked_and_confirms(stack, eventually):
    patient, booked, _ = await stack.approved(phone=PHONE, consents=(ConsentKind.SMS,))
    first = booked[0].starts_at
    await stack.outside.forward(to=(first - timedelta(days=3) + timedelta(hours=1)).isoformat())

    async def was_asked():
        texts = await stack.outside.texts(PHONE)
        assert "Who takes you home" in texts[-1]["body"]
        return texts

    texts = await eventually(was_asked)
    assert any("Your 6 visits" in text["body"] for text in texts)
    box = await stack.producers.box(patient)
    await stack.producers.say(
        "intake",
        MessageReceived(
            patient_id=patient, message_id=new_id(), channel=Channel.TEXT, body=box.seal("1"),
            received_at=datetime.now(UTC),
        ),
    )  # fmt: skip

    async def confirmed():
        ledger = await stack.ledger(patient)
        assert ledger["rides"][0]["state"] == "confirmed"
        return ledger

    ledger = await eventually(confirmed)
    planned = [message["kind"] for message in ledger["messages"] if message["state"] == "planned"]
    assert {"eve", "arrival", "check_in"} <= set(planned)
    arrived = await eventually(lambda: delivered(stack, patient, "escort"))
    assert arrived["body"].startswith("Harbor Clinic: ")


async def delivered(stack, patient, kind):
    ledger = await stack.ledger(patient)
    found = [it for it in ledger["messages"] if it["kind"] == kind and it["channel"] == "sms"]
    assert found[0]["state"] == "delivered"
    return found[0]


async def test_the_patients_page_shows_clock_times_and_takes_each_answer(stack, eventually):
    patient, booked, page = await stack.approved()
    shown = await stack.http.get(page, headers=HTML)
    assert shown.status_code == 200
    assert "Who takes you home?" in shown.text
    for words in (
        "Last meal before", "Clear drinks until", "No alcohol since", "night&#39;s sleep", "quiet evening",
        "Comfortable clothes", "No driving before",
    ):  # fmt: skip
        assert words in shown.text
    assert shown.text.count("<form") >= 10
    spanish = await stack.http.get(f"{page}?lang=es", headers=HTML)
    assert "¿Quién le lleva a casa?" in spanish.text
    stack.http.cookies.clear()
    visit = str(booked[0].appointment_id)

    answer = await stack.http.post(f"{page}/ride", data={"visit": visit, "escort": "  Karin <b>Price</b> "})
    assert answer.status_code == 303
    shown = await stack.http.get(answer.headers["location"], headers=HTML)
    assert "Karin &lt;b&gt;Price&lt;/b&gt; takes you home" in shown.text

    for item, word in (("solids", "yes"), ("alcohol", "no")):
        answer = await stack.http.post(f"{page}/prepare", data={"visit": visit, "item": item, "answer": word})
        assert answer.status_code == 303
    answer = await stack.http.post(f"{page}/changed", data={"visit": visit, "words": "I have a cold"})
    assert answer.status_code == 303
    assert answer.headers["location"].endswith("#changed")
    shown = await stack.http.get(answer.headers["location"], headers=HTML)
    assert "A person reads it" in shown.text.partition('id="changed"')[2], "said where the address leads to"

    ledger = await stack.ledger(patient)
    assert ledger["rides"][0]["escort"] == "Karin <b>Price</b>"
    assert ledger["rides"][0]["preparation"] == {"solids": True, "alcohol": False}
    tasks = (await stack.http.get("/api/v1/tasks", headers=stack.running.as_staff("dana"))).json()["tasks"]
    mine = {task["kind"]: task["detail"] for task in tasks if task["patient_id"] == str(patient)}
    assert mine["something-changed"] == "I have a cold"
    assert "alcohol" in mine["prep-not-kept"]

    other = await stack.http.get(page, params={"visit": str(booked[1].appointment_id)}, headers=HTML)
    assert other.status_code == 200
    assert "takes you home</span>" not in other.text


@pytest.mark.parametrize(
    ("mode", "how", "elsewhere"),
    [
        ("in_person", "We meet at 200 South", "by video"),
        ("video", "We talk by video", "200 South"),
        ("phone", "We call you", "200 South"),
    ],
)
async def test_the_first_talks_page_says_how_to_meet_and_what_later_visits_ask(stack, eventually, mode, how, elsewhere):
    email = f"{new_id()}@patients.example"
    patient = await stack.lead(email=email)
    at = datetime.fromisoformat((await stack.outside.http.get("/api/clock")).json()["now"]) + timedelta(days=5)
    await stack.producers.say(
        "scheduling",
        ConsultationScheduled(
            patient_id=patient, appointment_id=new_id(), starts_at=at, ends_at=at + timedelta(hours=1),
            zone="America/Denver", provider_id="osei", mode=mode, booked_by="staff", policy_hash=HASH,
        ),
    )  # fmt: skip
    mails = await eventually(lambda: stack.mails(email, 2))
    [mail] = [it for it in mails if it["attachments"] == ["visit.ics"]]
    assert "METHOD:PUBLISH" in mail["calendar"]
    assert "before later visits" in mail["text"]
    page = await stack.http.get(link(mail["text"]), headers=HTML)
    for words in ("Before later visits", "Nothing to eat for 8 hours", "No alcohol", "takes you home", "No driving"):
        assert words in page.text
    assert how in page.text
    assert elsewhere not in page.text
    spanish = await stack.http.get(f"{link(mail['text'])}?lang=es", headers=HTML)
    assert "Antes de otras visitas" in spanish.text
    stack.http.cookies.clear()


async def test_looking_changes_nothing(stack, eventually):
    patient, _, page = await stack.approved()

    async def nothing_is_on_its_way():
        ledger = await stack.ledger(patient)
        assert {it["state"] for it in ledger["messages"] if it["channel"] == "sms"} <= {"planned", "delivered"}
        assert {it["state"] for it in ledger["messages"] if it["channel"] == "email"} <= {"planned", "sent"}
        return ledger

    before = await eventually(nothing_is_on_its_way)
    for _ in range(3):
        await stack.http.get(page, headers=HTML)
        await stack.http.head(page)
    assert await stack.ledger(patient) == before


NONSENSE: list[tuple[dict[str, str], int]] = [
    ({"item": "solids", "answer": "perhaps"}, 422),
    ({"item": "rockets", "answer": "yes"}, 404),
    ({"item": "x" * 100, "answer": "yes"}, 422),
    ({"answer": "yes"}, 422),
    ({"item": "solids", "answer": "yes", "visit": "nobody"}, 422),
    ({"item": "solids", "answer": "yes", "visit": "0190c1a0-0000-7000-8000-000000000000"}, 404),
    ({"item": "sol\0ids", "answer": "yes"}, 422),
]


async def test_forms_that_make_no_sense_are_refused(stack, eventually):
    _, booked, page = await stack.approved()
    for form, status in NONSENSE:
        answer = await stack.http.post(f"{page}/prepare", data={"visit": str(booked[0].appointment_id), **form})
        assert answer.status_code == status, form


async def test_empty_answers_are_asked_for_again(stack, eventually):
    _, booked, page = await stack.approved()
    visit = str(booked[0].appointment_id)
    ride = await stack.http.post(f"{page}/ride", data={"visit": visit, "escort": "   "}, headers=HTML)
    assert ride.status_code == 422
    assert "Please write the name" in ride.text
    changed = await stack.http.post(f"{page}/changed", data={"visit": visit, "words": ""}, headers=HTML)
    assert changed.status_code == 422
    nobody = await stack.http.post(f"{page}/ride", data={"visit": visit, "nobody": "yes"})
    assert nobody.status_code == 303


async def test_a_wrong_link_and_one_that_has_expired_say_so_kindly(stack, eventually):
    assert (await stack.http.get("/p/AAAAAAAAAAAAAAAAAAAAAA", headers=HTML)).status_code == 404
    assert (await stack.http.get("/p/short", headers=HTML)).status_code == 404
    assert (await stack.http.post("/p/AAAAAAAAAAAAAAAAAAAAAA/ride", data={"visit": str(new_id())})).status_code == 404
    _, booked, page = await stack.approved()
    await stack.producers.say(
        "scheduling",
        *(
            AppointmentCancelled(
                patient_id=one.patient_id, appointment_id=one.appointment_id, kind=AppointmentKind.SESSION,
                starts_at=one.starts_at, reason="patient-asked",
            )
            for one in booked
        ),
    )  # fmt: skip

    async def empty():
        assert "Nothing is booked now" in (await stack.http.get(page, headers=HTML)).text
        return True

    await eventually(empty)
    await stack.running.service.pool.execute("update links set expires_at = now() - interval '1 day'")
    gone = await stack.http.get(page, headers=HTML)
    assert gone.status_code == 410
    assert "expired" in gone.text


async def test_only_who_cares_for_patients_reads_what_was_said(stack, eventually):
    patient, _, _ = await stack.approved()
    path = f"/api/v1/patients/{patient}/messages"
    assert (await stack.http.get(path)).status_code == 401
    for person, status in (("dana", 200), ("osei", 200), ("tran", 200), ("ops", 403), ("audit", 403)):
        assert (await stack.http.get(path, headers=stack.running.as_staff(person))).status_code == status, person
    assert (
        await stack.http.get(f"/api/v1/patients/{new_id()}/messages", headers=stack.running.as_staff("dana"))
    ).status_code == 404
    async with stack.running.service.reading() as uow:
        read = await uow.conn.fetchval(
            "select count(*) from audit where what = 'messages' and actor = 'staff:osei' and subject = $1", patient
        )
    assert read == 1


async def test_staff_confirm_a_ride_once(stack, eventually):
    patient, booked, _ = await stack.approved()
    path = f"/api/v1/appointments/{booked[0].appointment_id}/transport"
    dana = stack.running.as_staff("dana")
    assert (await stack.http.post(path, json={"escort": "Karin"})).status_code == 401
    assert (await stack.http.post(path, json={"escort": "K"}, headers=stack.running.as_staff("ops"))).status_code == 403
    first = await stack.http.post(path, json={"escort": "Karin"}, headers=dana)
    assert first.json() == {"appointment_id": str(booked[0].appointment_id), "changed": True}
    assert (await stack.http.post(path, json={"escort": "Karin"}, headers=dana)).json()["changed"] is False
    assert (await stack.http.post(path, json={"escorte": "Karin"}, headers=dana)).status_code == 422
    assert (await stack.http.post(path, content=b"{", headers=dana)).status_code in (400, 422)
    missing = f"/api/v1/appointments/{new_id()}/transport"
    assert (await stack.http.post(missing, json={}, headers=dana)).status_code == 404
    assert (await stack.ledger(patient))["rides"][0]["escort"] == "Karin"


def signed(stack, path: str, form: dict[str, str]) -> dict[str, str]:
    settings = stack.running.service.settings
    validator = RequestValidator(settings.twilio_token.get_secret_value())
    return {"x-twilio-signature": validator.compute_signature(settings.public_url + path, form)}


async def test_reports_of_twilio_are_believed_when_signed_and_never_go_back(stack, eventually):
    patient, _, _ = await stack.approved(phone="+18015550149", consents=(ConsentKind.SMS,))
    arrived = await eventually(lambda: delivered(stack, patient, "enquiry"))
    path = f"/webhooks/twilio/status?message={arrived['id']}"
    [text] = [it for it in await stack.outside.texts("+18015550149") if "Thank you for writing" in it["body"]]
    late = {"MessageSid": text["sid"], "MessageStatus": "sent"}
    assert (await stack.http.post(path, data=late)).status_code == 403
    bad = {"x-twilio-signature": "AAAA"}
    assert (await stack.http.post(path, data=late, headers=bad)).status_code == 403
    other = signed(stack, path, {**late, "MessageStatus": "failed"})
    assert (await stack.http.post(path, data=late, headers=other)).status_code == 403
    failed = {**late, "MessageStatus": "failed", "ErrorCode": "30003"}
    for form in (late, failed, {**late, "MessageStatus": "weird"}, {}):
        answer = await stack.http.post(path, data=form, headers=signed(stack, path, form))
        assert answer.status_code == 204, form
    unknown = f"/webhooks/twilio/status?message={new_id()}"
    answer = await stack.http.post(unknown, data=late, headers=signed(stack, unknown, late))
    assert answer.status_code == 204
    assert (await delivered(stack, patient, "enquiry"))["reason"] is None


async def test_a_text_that_the_network_cannot_deliver_becomes_a_call(stack, eventually):
    await stack.outside.break_(sms="undeliverable")
    patient = await stack.lead(email=None, phone="+18015550150", consents=(ConsentKind.SMS,))

    async def task():
        tasks = (await stack.http.get("/api/v1/tasks", headers=stack.running.as_staff("dana"))).json()["tasks"]
        return [it for it in tasks if it["patient_id"] == str(patient) and it["kind"] == "call-patient"]

    [raised] = await eventually(task)
    assert "the text did not arrive (twilio-30003)" in raised["detail"]
    await stack.outside.break_()


async def test_a_landline_is_texted_once_and_then_called(stack, eventually):
    await stack.outside.break_(sms="landline")
    patient = await stack.lead(email=None, phone="+18015550151", consents=(ConsentKind.SMS,))

    async def task():
        tasks = (await stack.http.get("/api/v1/tasks", headers=stack.running.as_staff("dana"))).json()["tasks"]
        return [it for it in tasks if it["patient_id"] == str(patient) and it["kind"] == "call-patient"]

    [raised] = await eventually(task)
    assert "(twilio-30006); this number takes no texts" in raised["detail"]
    await stack.outside.break_()
    also, _, _ = await stack.approved(phone="+18015550151", consents=(ConsentKind.SMS,))
    planned = {message["channel"] for message in (await stack.ledger(also))["messages"]}
    assert planned == {"email"}, "nor is anybody else on that telephone"
    assert len(await stack.outside.texts("+18015550151")) == 1
