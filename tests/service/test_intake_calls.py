"""The telephone: a greeting, a voicemail that is kept, a missed call that is answered; signed as Twilio signs."""

import asyncio
from typing import Any
from uuid import UUID, uuid4
from xml.etree import ElementTree as ET

import pytest
from twilio.request_validator import RequestValidator

from tests.support.intake import Intake

URL = "https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/RE1"


@pytest.fixture(scope="module")
async def intake(world):
    async with world.start("intake") as running:
        yield await Intake.of(running, world)


def number(last: int) -> str:
    return f"+1801557{last:04d}"


class Call:
    """A call, as Twilio tells of it."""

    def __init__(self, intake: Intake, caller: str, **more: str) -> None:
        self.intake = intake
        self.fields = {"CallSid": f"CA{uuid4().hex}", "From": caller, "To": "+13035550100", "Direction": "inbound",
                       "AccountSid": "AC1", "ApiVersion": "2010-04-01", **more}  # fmt: skip

    async def rings(self) -> ET.Element:
        answer = await self._post("", CallStatus="ringing")
        assert answer.headers["content-type"].startswith("application/xml")
        return ET.fromstring(answer.text)

    async def speaks(self, seconds: int = 42) -> None:
        await self._post("/recorded", CallStatus="completed", RecordingUrl=URL, RecordingDuration=str(seconds))

    async def ends(self, status: str = "completed") -> None:
        await self._post("/status", CallStatus=status, CallDuration="30")

    async def _post(self, path: str, **more: str) -> Any:
        fields = {**self.fields, **more}
        address = f"/webhooks/twilio/voice{path}"
        url = f"{self.intake.running.service.settings.public_url}{address}"
        signature = RequestValidator(self.intake.world.secrets.twilio_token).compute_signature(url, fields)
        answer = await self.intake.http.post(address, data=fields, headers={"x-twilio-signature": signature})
        assert answer.is_success, answer.text
        return answer


async def test_a_stranger_hears_the_greeting_in_each_language_then_the_tone(intake):
    twiml = await Call(intake, number(1)).rings()
    said = [(each.get("language"), each.text or "") for each in twiml.iter("Say")]
    assert [language for language, _ in said] == ["en-US", "es-US", "en-US"]
    assert "Harbor Clinic" in said[0][1]
    assert "9 1 1" in said[0][1]
    (record,) = twiml.iter("Record")
    assert record.get("transcribe") == "false"
    assert record.get("action").endswith("/webhooks/twilio/voice/recorded")


async def test_who_we_know_hears_their_language(intake):
    await intake.lead(phone=number(2), language="es")
    twiml = await Call(intake, number(2)).rings()
    assert {each.get("language") for each in twiml.iter("Say")} == {"es-US"}


async def test_a_voicemail_of_a_stranger_makes_a_lead_and_somebody_listens(intake):
    call = Call(intake, number(3))
    await call.rings()
    await call.speaks()
    await call.ends()
    await intake.come_due("missed-call")
    patient = await intake.patient_of(number(3))
    events = await intake.events(patient)
    assert [name for name, _ in events] == ["LeadCreated", "TaskRaised", "MessageReceived", "TaskRaised"]
    assert (events[0][1]["channel"], events[2][1]["missed_call"]) == ("phone", False)
    assert (await intake.box(patient)).open(events[2][1]["body"]) == f"Voicemail, 0:42: {URL}"
    tasks = await intake.open_tasks("listen-voicemail")
    assert patient in [task["subject"] for task in tasks]


async def test_a_voicemail_of_a_patient_joins_their_thread_once(intake):
    patient = (await intake.lead(phone=number(4))).json()["patient_id"]
    call = Call(intake, number(4))
    await asyncio.gather(call.rings(), call.speaks(), call.speaks(), call.ends(), call.ends())
    await intake.come_due("missed-call")
    assert (await intake.names(patient)).count("MessageReceived") == 1
    assert await intake.patient_of(number(4)) == UUID(patient)


@pytest.mark.parametrize(("last", "status"), [(10, "no-answer"), (11, "busy"), (12, "completed"), (13, None)])
async def test_a_missed_call_is_told_once(intake, last, status):
    caller = number(last)
    call = Call(intake, caller)
    await call.rings()
    if status is not None:
        await call.ends(status)
        await call.ends(status)
    assert await intake.patient_of(caller) is None, "a voicemail may still come"
    await intake.come_due("missed-call")
    await intake.come_due("missed-call")
    events = await intake.events(await intake.patient_of(caller))
    assert [name for name, _ in events] == ["LeadCreated", "TaskRaised", "MessageReceived"]
    assert (events[2][1]["channel"], events[2][1]["missed_call"]) == ("phone", True)


async def test_words_that_come_late_join_the_missed_call(intake):
    call = Call(intake, number(30))
    await call.ends("no-answer")
    await intake.come_due("missed-call")
    await call.speaks()
    names = await intake.names(await intake.patient_of(number(30)))
    assert names == ["LeadCreated", "TaskRaised", "MessageReceived", "MessageReceived", "TaskRaised"]


async def test_words_of_a_withheld_number_that_come_late_are_kept_beside_the_missed_call(intake):
    call = Call(intake, "anonymous")
    await call.ends("no-answer")
    await intake.come_due("missed-call")
    await call.speaks(37)
    await call.speaks(37)
    kept = [each["text"] for each in await intake.kept()]
    assert kept.count(f"Voicemail, 0:37: {URL}") == 1
    assert len(await intake.open_tasks("listen-voicemail")) >= 1


async def test_words_from_a_number_that_no_country_has_are_kept_too(intake):
    caller = "+9995550142"
    call = Call(intake, caller)
    await call.rings()
    await call.speaks()
    silent = Call(intake, "+9995550143")
    await silent.rings()
    await silent.ends()
    await intake.come_due("missed-call")
    patient = await intake.patient_of(caller)
    assert patient in [task["subject"] for task in await intake.open_tasks("listen-voicemail")]
    name, told = (await intake.events(await intake.patient_of("+9995550143")))[-1]
    assert (name, told["missed_call"]) == ("MessageReceived", False)


@pytest.mark.parametrize("caller", ["anonymous", "+266696687", ""])
async def test_withheld_numbers_are_kept_each_by_itself(intake, caller):
    before = len([each for each in await intake.kept() if each["reason"] == "caller-withheld"])
    for _ in range(2):
        call = Call(intake, caller)
        await call.rings()
        await call.speaks()
        await call.speaks()
        await call.ends()
    silent = Call(intake, caller)
    await silent.rings()
    await silent.ends()
    await intake.come_due("missed-call")
    kept = [each for each in await intake.kept() if each["reason"] == "caller-withheld"][before:]
    assert len(kept) == 3
    assert [URL in each["text"] for each in kept] == [True, True, False]
    answer = await intake.http.post(
        f"/api/v1/contacts/{kept[0]['id']}/resolve",
        json={"outcome": "nobody"},
        headers=intake.running.as_staff("dana"),
    )
    assert answer.is_success
    assert kept[0]["id"] not in [str(task["subject"]) for task in await intake.open_tasks("listen-voicemail")]


@pytest.mark.parametrize(
    ("caller", "more"), [("+18005550199", {}), (number(40), {"StirVerstat": "TN-Validation-Failed-C"})]
)
async def test_what_cannot_or_must_not_be_texted_is_not_called_a_missed_call_to_text(intake, caller, more):
    call = Call(intake, caller, **more)
    await call.rings()
    await call.ends()
    await intake.come_due("missed-call")
    name, told = (await intake.events(await intake.patient_of(caller)))[-1]
    assert (name, told["missed_call"]) == ("MessageReceived", False)


@pytest.mark.parametrize("path", ["", "/recorded", "/status"])
async def test_what_twilio_did_not_sign_is_refused(intake, path):
    refused = await intake.http.post(f"/webhooks/twilio/voice{path}", data={"CallSid": "CA1", "From": number(50)})
    assert (refused.status_code, refused.json()["code"]) == (403, "bad_signature")
