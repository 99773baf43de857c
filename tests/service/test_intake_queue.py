"""Kafka submissions: read once whatever the broker does; what can't be read is kept for a person."""

import base64
import json
import os
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer

from services.intake.adapters.mailbox import seal_letter
from shared.contracts.topics import SUBMISSIONS
from tests.support.intake import Intake


@pytest.fixture(scope="module")
async def intake(world):
    async with world.start("intake") as running:
        yield await Intake.of(running, world)


@pytest.fixture(scope="module")
async def producer(intake, world):
    made = AIOKafkaProducer(bootstrap_servers=world.kafka)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def submit(producer, world):
    async def send(value: bytes, key: bytes | None = None) -> None:
        await producer.send_and_wait(world.kafka_prefix + SUBMISSIONS, value, key=key)

    return send


@pytest.fixture
def sealed(intake):
    async def close(**lead) -> bytes:
        public = (await intake.http.get("/.well-known/passage-submissions.jwk")).json()
        return seal_letter(public, json.dumps(lead).encode()).encode()

    return close


def number(last: int) -> str:
    return f"+1801558{last:04d}"


async def test_a_sealed_submission_becomes_a_lead(intake, submit, sealed, eventually):
    await submit(await sealed(name="Maya", phone=number(1), message="by queue"), b"one")
    patient = await eventually(lambda: intake.patient_of(number(1)))
    created = dict(await intake.events(patient))["LeadCreated"]
    assert created["channel"] == "queue"


async def test_the_same_key_and_content_is_one_contact_however_often_it_is_written(intake, submit, sealed, eventually):
    for _ in range(5):
        await submit(await sealed(phone=number(2), message="again"), b"two")
    await submit(await sealed(phone=number(3)))
    await eventually(lambda: intake.patient_of(number(3)))
    patient = await eventually(lambda: intake.patient_of(number(2)))
    assert await intake.names(patient) == ["LeadCreated", "TaskRaised"]


async def test_plain_json_is_taken_where_the_operator_allows_it(intake, submit, eventually):
    await submit(json.dumps({"phone": number(4)}).encode())
    await eventually(lambda: intake.patient_of(number(4)))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"{", "invalid:not-json"),
        (b'{"phone": "12"}', "unusable:phone:impossible"),
        (b'{"name": "Nobody"}', "unusable:phone:missing"),
        (b'{"phone": "+18015580005", "Maya was here": 1}', "invalid:unknown-field"),
        (b'{"phone": 5}', "invalid:phone"),
        (b"eyJhbGciOiJub25lIn0....", "does-not-open"),
        (b"", "does-not-open"),
    ],
)
async def test_what_cannot_be_read_is_kept_with_its_reason(intake, submit, eventually, value, reason):
    async def found():
        return [kept for kept in await intake.kept() if kept["reason"] == reason]

    await submit(value)
    (kept,) = await eventually(found)
    assert kept["door"] == "queue"
    assert kept["id"] in {str(task["subject"]) for task in await intake.open_tasks("contact-unreadable")}


async def test_random_bytes_are_all_kept_and_stop_nothing(intake, submit, eventually):
    noise = [os.urandom(200) for _ in range(30)]
    for value in noise:
        await submit(value, os.urandom(8))
    await submit(json.dumps({"phone": number(6)}).encode())
    await eventually(lambda: intake.patient_of(number(6)))

    wanted = {base64.b64encode(value).decode() for value in noise}

    async def all_kept():
        return wanted <= {kept["raw"] for kept in await intake.kept()}

    await eventually(all_kept)


async def test_a_key_used_for_other_words_is_kept_not_lost(intake, submit, sealed, eventually):
    key = uuid4().bytes
    await submit(await sealed(phone=number(7)), key)
    await submit(await sealed(phone=number(8)), key)

    async def found():
        return [kept for kept in await intake.kept() if kept["reason"] == "key-reused"]

    (kept,) = await eventually(found)
    assert number(8) in kept["text"]
    assert await intake.patient_of(number(8)) is None


async def test_a_person_makes_a_lead_of_what_was_kept(intake, submit, eventually):
    async def found():
        return [kept for kept in await intake.kept() if "call me" in kept["text"]]

    await submit(b'{"phone": "call me, you have it: 0009"}')
    (kept,) = await eventually(found)
    staff = intake.running.as_staff("dana")
    resolution = {"outcome": "became-lead", "lead": {"phone": number(9), "channel": "phone"}}
    answer = await intake.http.post(f"/api/v1/contacts/{kept['id']}/resolve", json=resolution, headers=staff)
    assert answer.status_code == 200, answer.text
    assert str(await intake.patient_of(number(9))) == answer.json()["patient_id"]
    assert await found() == []
    again = await intake.http.post(f"/api/v1/contacts/{kept['id']}/resolve", json=resolution, headers=staff)
    assert again.status_code == 404
