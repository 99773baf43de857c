"""The first answer fits the door: a missed call, a text, a booking in another system."""

from datetime import timedelta

import pytest

from shared.contracts.intake import Channel, MessageReceived
from shared.contracts.scheduling import (
    AppointmentCancelled,
    AppointmentKind,
    AppointmentRescheduled,
    ConsultationScheduled,
)
from shared.ids import new_id
from tests.support.notifications import HASH, NOON, Desk, desk

DAY = timedelta(days=1)


@pytest.fixture
async def at_desk(world):
    async with desk(world) as made:
        yield made


async def calls(at_desk: Desk, patient, *, missed: bool = True) -> None:
    """They call, and nobody takes it."""
    async with at_desk.service.reading() as uow:
        box = await uow.keys.box(patient)
    await at_desk.hear(
        MessageReceived(
            patient_id=patient, message_id=new_id(), channel=Channel.PHONE, body=box.seal("A missed call."),
            missed_call=missed, received_at=at_desk.clock.now(),
        )
    )  # fmt: skip
    await at_desk.deliver()


async def test_a_missed_call_gets_one_text_that_says_when_somebody_calls_back(at_desk):
    patient = await at_desk.lead(email=None, consents=(), channel=Channel.PHONE)
    await calls(at_desk, patient)
    await calls(at_desk, patient)
    [(kind, words)] = await at_desk.said(patient)
    assert kind == "missed_call"
    assert words.startswith("Harbor Clinic: ")
    assert "STOP" in words
    assert await at_desk.tasks(patient) == [], "calling back is intake's task"


async def test_a_number_that_takes_no_texts_gets_none(at_desk):
    landline = await at_desk.lead(email=None, consents=(), channel=Channel.PHONE)
    await calls(at_desk, landline, missed=False)
    stopped = await at_desk.lead(email=None, channel=Channel.PHONE)
    await at_desk.texts_in(stopped, "STOP", keyword="stop")
    await calls(at_desk, stopped)
    assert await at_desk.said(landline) == []
    assert [kind for kind, _ in await at_desk.said(stopped)] == ["opt_out"]


async def elsewhere(at_desk: Desk, **lead):
    """A first talk that was booked in Vagaro."""
    patient = await at_desk.lead(channel=Channel.VAGARO, **lead)
    booked = ConsultationScheduled(
        patient_id=patient, appointment_id=new_id(), starts_at=NOON + 5 * DAY,
        ends_at=NOON + 5 * DAY + timedelta(hours=1), zone="America/Denver", provider_id="osei", mode="in_person",
        booked_by="external", policy_hash=HASH,
    )  # fmt: skip
    await at_desk.hear(booked)
    await at_desk.deliver()
    return patient, booked


async def test_who_booked_in_vagaro_is_written_once_and_not_confirmed_twice(at_desk):
    patient, booked = await elsewhere(at_desk, email="vag@patients.example")
    assert [kind for kind, _ in await at_desk.said(patient, "email")] == ["consultation_external"]
    assert await at_desk.said(patient) == []
    [mail] = await at_desk.outside.mails("vag@patients.example")
    assert mail["attachments"] == [], "the calendar entry is Vagaro's"
    await at_desk.hear(
        AppointmentRescheduled(
            patient_id=patient, appointment_id=booked.appointment_id, kind=AppointmentKind.CONSULTATION, revision=1,
            was_at=booked.starts_at, starts_at=booked.starts_at + DAY, ends_at=booked.ends_at + DAY,
            zone="America/Denver", reason="external",
        ),
        AppointmentCancelled(
            patient_id=patient, appointment_id=booked.appointment_id, kind=AppointmentKind.CONSULTATION,
            starts_at=booked.starts_at + DAY, reason="external",
        ),
    )  # fmt: skip
    await at_desk.until(NOON + 7 * DAY)
    assert len(await at_desk.said(patient, "email")) == 1
    assert await at_desk.said(patient) == []


async def test_what_the_clinic_changes_of_it_is_told(at_desk):
    patient, booked = await elsewhere(at_desk)
    await at_desk.cancel(booked)
    await at_desk.until(NOON + DAY)
    assert [kind for kind, _ in await at_desk.said(patient, "email")] == ["consultation_external", "cancelled"]


async def test_who_booked_in_vagaro_without_an_email_gets_one_text(at_desk):
    patient, _ = await elsewhere(at_desk, email=None, consents=())
    assert [kind for kind, _ in await at_desk.said(patient)] == ["consultation_external"]
