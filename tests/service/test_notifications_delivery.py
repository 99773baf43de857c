"""The last mile under failure: killed at every step, a carrier that is down, slow, unsure; reports in any order."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from services.notifications.adapters.port import Outgoing, Receipt, Refused
from services.notifications.jobs import deliver_due
from shared.contracts.scheduling import ConsultationScheduled
from shared.ids import new_id
from tests.support.notifications import HASH, Desk, desk


@pytest.fixture
async def at_desk(fresh_world):
    async with desk(fresh_world) as made:
        yield made


class Killed(BaseException):
    """What kill -9 looks like from inside: nothing below it runs any more."""


class DiesBefore:
    """The process dies after the mark is committed, before the first byte leaves."""

    async def send(self, message: Outgoing) -> Receipt:
        raise Killed

    async def look_up(self, message: Outgoing, since: datetime) -> Sequence[Receipt]:
        raise Killed


class DiesAfter(DiesBefore):
    """The process dies after the carrier took it, before that is written down."""

    def __init__(self, way) -> None:
        self.way = way

    async def send(self, message: Outgoing) -> Receipt:
        await self.way.send(message)
        raise Killed


async def due_now(at_desk: Desk) -> None:
    """Every wait is over, and every lease."""
    await at_desk.service.pool.execute("update messages set not_before = now() where state = 'ready'")
    await at_desk.service.pool.execute("update messages set lease_until = now() where state = 'sending'")


async def killed(at_desk: Desk, **ways) -> None:
    """One turn of the loop that ends in a kill."""
    with pytest.raises(Killed):
        await deliver_due(at_desk.service, {**at_desk.ways, **ways})
    await due_now(at_desk)


async def lead_with_phone(at_desk: Desk, phone: str):
    return await at_desk.lead(phone=phone, email=None)


async def test_killed_before_the_first_byte_it_is_sent_once_later(at_desk):
    patient = await lead_with_phone(at_desk, "+18015552001")
    await killed(at_desk, sms=DiesBefore())
    [row] = await at_desk.rows(patient)
    assert row["state"] == "sending"
    assert await at_desk.outside.texts("+18015552001") == []
    await at_desk.deliver()
    assert len(await at_desk.outside.texts("+18015552001")) == 1
    assert await at_desk.events(patient) == ["MessageSent"]


async def test_killed_after_the_carrier_took_it_it_is_found_and_not_sent_again(at_desk):
    patient = await lead_with_phone(at_desk, "+18015552002")
    await killed(at_desk, sms=DiesAfter(at_desk.ways["sms"]))
    await at_desk.deliver()
    [text] = await at_desk.outside.texts("+18015552002")
    [row] = await at_desk.rows(patient)
    assert row["vendor_id"] == text["sid"]
    assert row["state"] in ("sent", "delivered")
    assert await at_desk.events(patient) == ["MessageSent"]


async def test_killed_again_and_again_it_is_still_one_text(at_desk):
    patient = await lead_with_phone(at_desk, "+18015552003")
    await killed(at_desk, sms=DiesBefore())
    await killed(at_desk, sms=DiesBefore())
    await at_desk.deliver()
    assert len(await at_desk.outside.texts("+18015552003")) == 1
    assert (await at_desk.rows(patient))[0]["attempts"] == 3


@pytest.mark.parametrize("fault", ["down", "accept_then_500"])
async def test_a_carrier_that_comes_back_at_night_is_not_used_before_the_morning(at_desk, fault):
    """One text, at nine: whether the first try was certainly refused or nobody knows."""
    phone = "+18015552004" if fault == "down" else "+18015552005"
    noon = at_desk.clock.now()
    patient = await at_desk.lead(phone=phone, email=None)
    await at_desk.deliver()
    visit = ConsultationScheduled(
        patient_id=patient, appointment_id=new_id(), starts_at=noon + timedelta(days=3),
        ends_at=noon + timedelta(days=3, hours=1), zone="America/Denver", provider_id="osei", mode="video",
        booked_by="staff", policy_hash=HASH,
    )  # fmt: skip
    await at_desk.hear(visit)
    await at_desk.outside.break_(sms=fault)
    await at_desk.until(noon + timedelta(minutes=30))
    [tried] = [row for row in await at_desk.rows(patient, state="sending") if not row["exempt"]]
    came = len(await at_desk.outside.texts(phone))
    await at_desk.outside.break_()
    at_desk.clock.move(timedelta(hours=9))
    await due_now(at_desk)
    await at_desk.deliver()
    assert len(await at_desk.outside.texts(phone)) == came
    await at_desk.until(noon + timedelta(hours=21, minutes=1))
    assert len(await at_desk.outside.texts(phone)) == 2
    [row] = await at_desk.rows(patient, id=tried["id"])
    assert row["state"] in ("sent", "delivered")
    assert row["attempts"] == 2


async def test_an_email_tried_again_is_the_same_email(at_desk):
    await at_desk.lead(phone=None, email="again@patients.example")
    await killed(at_desk, email=DiesAfter(at_desk.ways["email"]))
    await at_desk.deliver()
    mails = await at_desk.outside.mails("again@patients.example")
    assert len({mail["headers"]["Message-ID"] for mail in mails}) == 1


async def test_two_loops_send_each_message_once(at_desk):
    phones = [f"+1801555{n}" for n in range(2100, 2120)]
    for phone in phones:
        await lead_with_phone(at_desk, phone)
    while sum(await asyncio.gather(*(deliver_due(at_desk.service, at_desk.ways) for _ in range(3)))):
        pass
    for phone in phones:
        assert len(await at_desk.outside.texts(phone)) == 1, phone


async def test_the_same_words_to_the_same_phone_are_not_taken_for_one_another(at_desk):
    """What is found at the carrier counts only if it is no other message of ours."""
    first = await lead_with_phone(at_desk, "+18015552004")
    await at_desk.deliver()
    second = await lead_with_phone(at_desk, "+18015552004")
    await killed(at_desk, sms=DiesBefore())
    await at_desk.deliver()
    assert len(await at_desk.outside.texts("+18015552004")) == 2
    assert len(await at_desk.said(first)) == len(await at_desk.said(second)) == 1


async def test_what_nobody_can_tell_goes_to_a_person_and_is_not_sent_again(at_desk):
    patient = await lead_with_phone(at_desk, "+18015552005")

    class SentTwice(DiesBefore):
        async def look_up(self, message, since):
            return [Receipt("SM" + "1" * 32), Receipt("SM" + "2" * 32)]

    await killed(at_desk, sms=DiesBefore())
    await deliver_due(at_desk.service, {**at_desk.ways, "sms": SentTwice()})
    [row] = await at_desk.rows(patient)
    assert (row["state"], row["reason"]) == ("failed", "unsure")
    assert await at_desk.tasks(patient) == ["check-message"]
    assert await at_desk.events(patient) == ["MessageFailed", "TaskRaised"]


async def test_a_carrier_that_is_down_is_asked_again_later(at_desk):
    patient = await at_desk.lead(phone="+18015552006", email="down@patients.example")
    await at_desk.outside.break_(smtp="down")
    await at_desk.deliver()
    rows = {row["channel"]: row for row in await at_desk.rows(patient)}
    assert rows["email"]["state"] == "ready"
    assert rows["email"]["not_before"] is not None
    await at_desk.outside.break_()
    await due_now(at_desk)
    await at_desk.deliver()
    assert len(await at_desk.outside.mails("down@patients.example")) == 1


async def test_a_carrier_that_took_it_and_said_500_is_looked_up(at_desk):
    patient = await at_desk.lead(phone="+18015552007", email=None)
    await at_desk.outside.break_(sms="accept_then_500")
    await at_desk.deliver()
    assert (await at_desk.rows(patient))[0]["state"] == "sending"
    await at_desk.outside.break_()
    await due_now(at_desk)
    await at_desk.deliver()
    assert len(await at_desk.outside.texts("+18015552007")) == 1
    assert await at_desk.events(patient) == ["MessageSent"]


async def test_a_carrier_that_stays_down_ends_with_a_call(at_desk):
    patient = await at_desk.lead(phone=None, email="never@patients.example")
    await at_desk.outside.break_(smtp="down")
    for _ in range(6):
        await at_desk.deliver()
        await due_now(at_desk)
    [row] = await at_desk.rows(patient)
    assert (row["state"], row["reason"], row["attempts"]) == ("failed", "carrier-down", 6)
    assert await at_desk.tasks(patient) == ["call-patient"]
    await at_desk.outside.break_()


async def test_a_number_that_is_none_is_called_at_once(at_desk):
    patient = await lead_with_phone(at_desk, "+1999")
    await at_desk.deliver()
    [row] = await at_desk.rows(patient)
    assert (row["state"], row["reason"]) == ("failed", "twilio-21211")
    assert await at_desk.tasks(patient) == ["call-patient"]
    assert await at_desk.events(patient) == ["MessageFailed", "TaskRaised"]


async def test_a_carrier_that_knows_of_a_stop_ends_all_texts(at_desk):
    patient = await at_desk.lead(phone="+18015552008")
    await at_desk.deliver()
    at_desk.clock.move(timedelta(hours=2))
    await at_desk.course(patient, at_desk.clock.now() + timedelta(days=14), sessions=1)

    class Stopped(DiesBefore):
        async def send(self, message):
            raise Refused("twilio-21610", opted_out=True)

    await deliver_due(at_desk.service, {**at_desk.ways, "sms": Stopped()})
    states = {row["state"] for row in await at_desk.rows(patient, channel="sms", visit_id=None)}
    assert "suppressed" in states
    assert not await at_desk.rows(patient, channel="sms", state="planned")
    assert await at_desk.tasks(patient) == []
