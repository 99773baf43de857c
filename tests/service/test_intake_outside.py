"""The sandbox's telephone and its Vagaro reach intake by the protocols of the real ones."""

from datetime import UTC, datetime

import pytest

from tests.support.intake import Intake
from tests.support.sandbox import sandbox
from tests.support.waiting import eventually

START = datetime(2027, 3, 3, 17, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
async def clinic(world):
    async with world.start("intake") as running, sandbox(world, state_file=None) as outside:
        yield await Intake.of(running, world), outside


async def test_a_call_is_heard_and_its_words_are_kept(clinic):
    intake, outside = clinic
    answer = await outside.http.post("/api/calls", json={"from": "+18015580001", "seconds": 20})
    heard = answer.json()["heard"]
    assert "Harbor Clinic" in heard[0]
    assert heard[-1] == "Thank you. Goodbye."
    patient = await intake.patient_of("+18015580001")
    told = dict(await intake.events(patient))["MessageReceived"]
    words = (await intake.box(patient)).open(told["body"])
    assert words.startswith("Voicemail, 0:20: http")
    sound = await outside.http.get(words.rpartition(" ")[2])
    assert sound.headers["content-type"] == "audio/x-wav"


async def test_a_booking_in_vagaro_moves_and_goes(clinic):
    intake, outside = clinic
    made = {"kind": "booking", "phone": "801 558 0002", "starts_at": START.isoformat(), "provider": "rios"}
    sent = (await outside.http.post("/api/vagaro", json={**made, "appointment_first": True, "twice": True})).json()
    assert set(sent["answers"]) == {204}
    patient = await intake.patient_of("+18015580002")
    await outside.http.post(
        "/api/vagaro",
        json={"kind": "appointment", "action": "updated", "status": "Cancel", "starts_at": START.isoformat(),
              "customer_id": sent["customer_id"], "appointment_id": sent["appointment_id"], "provider": "rios"},
    )  # fmt: skip
    told = [body for name, body in await intake.events(patient) if name == "ExternalBookingReceived"]
    assert [each["status"] for each in told] == ["booked", "cancelled"]
    assert {each["provider_ref"] for each in told} == {"rios"}


async def test_the_page_calls_and_books(clinic):
    intake, outside = clinic
    called = await outside.http.post("/calls", data={"caller": "801 558 0003", "seconds": "0"}, follow_redirects=True)
    assert "Thank you for calling Harbor Clinic" in called.text
    booked = await outside.http.post("/vagaro", data={"mobile": "801 558 0004"}, follow_redirects=True)
    assert "Cancel" in booked.text
    assert await eventually(lambda: intake.patient_of("+18015580004"))
