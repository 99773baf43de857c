"""A number that takes no texts is tried once: what would have been texted goes by e-mail, or a person calls."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from services.notifications.adapters.port import Outgoing, Receipt, Refused
from services.notifications.repository import people
from shared.contracts.intake import ConsentKind, LeadMerged, LeadUpdated, PatientErased
from shared.tasks import open_tasks
from tests.support.notifications import NOON, NUMBERS, Desk, desk

DAY = timedelta(days=1)
FIRST = NOON + 14 * DAY


class Network:
    """A carrier that refuses some numbers for good and keeps what it took: (number, words)."""

    def __init__(self, *refused: str, reason: str = "twilio-21614") -> None:
        self.refused, self.reason = set(refused), reason
        self.tried: list[str] = []

    async def send(self, message: Outgoing) -> Receipt:
        self.tried.append(message.to)
        if message.to in self.refused:
            raise Refused(self.reason)
        return Receipt(None)

    async def look_up(self, message: Outgoing, since: datetime) -> Sequence[Receipt]:
        return []


@pytest.fixture
async def at_desk(world):
    async with desk(world) as made:
        yield made


@pytest.fixture
def landline() -> str:
    return f"+1801556{next(NUMBERS)}"


def network(at_desk: Desk, *refused: str, reason: str = "twilio-21614") -> Network:
    made = Network(*refused, reason=reason)
    at_desk.ways = {**at_desk.ways, "sms": made}
    return made


async def calls(at_desk: Desk, patient: UUID) -> dict[str, str]:
    """What a person has to call about, and why."""
    async with at_desk.service.reading() as uow:
        box = await uow.keys.box(patient)
        found = [task for task in await open_tasks(uow.conn) if task.patient_id == patient]
    return {
        task.occurrence.partition(":")[0]: box.open(task.detail)
        for task in found
        if task.kind == "call-patient" and task.detail
    }


async def new_number(at_desk: Desk, patient: UUID, phone: str) -> None:
    async with at_desk.service.reading() as uow:
        contact = (await uow.keys.box(patient)).seal_json({"phone": phone, "email": None})
    await at_desk.hear(
        LeadUpdated(patient_id=patient, changed=("contact",), contact=contact, has_phone=True, has_email=False)
    )


async def test_what_is_planned_for_a_landline_goes_by_email(at_desk, landline):
    texts = network(at_desk, landline)
    patient = await at_desk.lead(phone=landline)
    await at_desk.deliver()
    await at_desk.course(patient, FIRST, sessions=1)
    await at_desk.until(FIRST)
    assert texts.tried == [landline]
    assert not await at_desk.rows(patient, channel="sms", state="planned")
    assert {"course_scheduled", "transport_missing"} <= set(dict(await at_desk.said(patient, "email")))


async def test_who_has_no_email_is_called_and_staff_see_why(at_desk, landline):
    texts = network(at_desk, landline)
    patient = await at_desk.lead(phone=landline, email=None)
    await at_desk.deliver()
    assert "gets no more until it is another" in (await calls(at_desk, patient))["enquiry"]
    await at_desk.course(patient, FIRST, sessions=1)
    await at_desk.until(NOON + DAY)
    assert "their number takes no texts" in (await calls(at_desk, patient))["course_scheduled"]
    assert texts.tried == [landline]


async def test_whoever_shares_the_landline_or_was_somebody_else_is_not_texted_there(at_desk, landline):
    texts = network(at_desk, landline)
    other = await at_desk.lead(phone=landline)
    absorbed = await at_desk.lead()
    await at_desk.deliver()
    before = len(texts.tried)
    await at_desk.hear(LeadMerged(patient_id=other, absorbed_id=absorbed, reason="same-person"))
    for patient in (await at_desk.lead(phone=landline), absorbed):
        await at_desk.course(patient, FIRST, sessions=1)
        await at_desk.until(at_desk.clock.now() + DAY)
        assert "course_scheduled" in dict(await at_desk.said(patient, "email"))
    assert len(texts.tried) == before


async def test_another_number_is_texted_again_with_what_is_still_ahead(at_desk, landline):
    texts = network(at_desk, landline)
    patient = await at_desk.lead(phone=landline, email=None)
    await at_desk.course(patient, FIRST, sessions=1)
    await at_desk.deliver()
    assert not await at_desk.rows(patient, channel="sms", kind="arrival", state="planned")
    before = texts.tried.count(landline)
    await new_number(at_desk, patient, f"+1801557{next(NUMBERS)}")
    assert await at_desk.rows(patient, channel="sms", kind="arrival", state="planned")
    await at_desk.until(FIRST)
    assert texts.tried.count(landline) == before
    assert "arrival" in dict(await at_desk.said(patient))


async def test_who_texts_us_takes_texts_after_all(at_desk, landline):
    texts = network(at_desk, landline)
    patient = await at_desk.lead(phone=landline, email=None)
    await at_desk.course(patient, FIRST, sessions=1)
    await at_desk.deliver()
    texts.refused.clear()
    await at_desk.texts_in(patient, "Is this the clinic?")
    await at_desk.deliver()
    assert "read_by_person" in dict(await at_desk.said(patient))
    assert await at_desk.rows(patient, channel="sms", kind="arrival", state="planned")


@pytest.mark.parametrize("reason", ["twilio-30003", "twilio-30005", "twilio-30007"])
async def test_a_telephone_that_was_off_is_texted_again(at_desk, landline, reason):
    network(at_desk, landline, reason=reason)
    patient = await at_desk.lead(phone=landline, email=None)
    await at_desk.course(patient, FIRST, sessions=1)
    await at_desk.deliver()
    assert await at_desk.rows(patient, channel="sms", kind="arrival", state="planned")


async def test_an_escorts_landline_is_tried_once(at_desk, landline):
    texts = network(at_desk, landline)
    for _ in range(2):
        patient = await at_desk.lead(consents=(ConsentKind.SMS,))
        [session] = await at_desk.course(patient, FIRST, sessions=1)
        await at_desk.name_escort(session.appointment_id, phone=landline)
        await at_desk.deliver()
    assert texts.tried.count(landline) == 1


async def test_nothing_of_it_is_left_when_they_are_erased(at_desk, landline):
    network(at_desk, landline)
    patient = await at_desk.lead(phone=landline)
    await at_desk.deliver()
    await at_desk.hear(PatientErased(patient_id=patient, requested_at=NOON))
    async with at_desk.service.reading() as uow:
        assert not await people.takes_no_texts(uow.conn, uow.lookup.hash("phone", landline))
