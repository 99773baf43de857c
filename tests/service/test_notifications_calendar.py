"""The confirmation of the first talk and of every session, as a file that the patient's own calendar understands."""

from datetime import timedelta

import pytest
from icalendar import Calendar

from shared.clinic.messages import forbidden_words
from shared.contracts.scheduling import ConsultationScheduled
from shared.ids import new_id
from tests.support.notifications import HASH, NOON, Desk, desk

DAY = timedelta(days=1)


@pytest.fixture
async def at_desk(world):
    async with desk(world) as made:
        yield made


def talk(patient, **changes) -> ConsultationScheduled:
    fields = {
        "patient_id": patient, "appointment_id": new_id(), "starts_at": NOON + 3 * DAY,
        "ends_at": NOON + 3 * DAY + timedelta(hours=1), "zone": "America/Denver", "provider_id": "osei",
        "mode": "in_person", "booked_by": "staff", "policy_hash": HASH,
    }  # fmt: skip
    return ConsultationScheduled(**{**fields, **changes})


async def calendars(at_desk: Desk, email: str) -> list[Calendar]:
    """What was attached, oldest first."""
    await at_desk.deliver()
    files = [mail["calendar"] for mail in await at_desk.outside.mails(email) if mail["calendar"]]
    return [Calendar.from_ical(text) for text in files]


async def test_a_first_talk_is_confirmed_moved_and_taken_back_in_the_patients_calendar(at_desk):
    patient = await at_desk.lead(email="cal@patients.example")
    booked = talk(patient)
    await at_desk.hear(booked)
    [first] = await calendars(at_desk, "cal@patients.example")
    [event] = first.walk("VEVENT")
    assert (first["method"], event["uid"], event["sequence"]) == ("PUBLISH", str(booked.appointment_id), 0)
    assert event["summary"] == "Visit at Harbor Clinic"
    assert not forbidden_words(first.to_ical().decode())
    start = event["dtstart"]
    assert (start.params["TZID"], start.dt) == ("America/Denver", booked.starts_at)
    assert [zone["tzid"] for zone in first.walk("VTIMEZONE")] == ["America/Denver"]
    assert event["location"] == at_desk.service.clinic.address

    await at_desk.move(booked, NOON + 4 * DAY)
    await at_desk.until(NOON + timedelta(minutes=1))
    await at_desk.cancel(booked)
    await at_desk.until(NOON + timedelta(minutes=2))
    _, moved, gone = await calendars(at_desk, "cal@patients.example")
    [event] = moved.walk("VEVENT")
    assert (moved["method"], event["uid"], event["sequence"]) == ("PUBLISH", str(booked.appointment_id), 1)
    assert event["dtstart"].dt == NOON + 4 * DAY
    [event] = gone.walk("VEVENT")
    assert (gone["method"], event["uid"], event["sequence"]) == ("CANCEL", str(booked.appointment_id), 2)
    assert event["status"] == "CANCELLED"


async def test_a_talk_by_phone_names_no_place_and_speaks_the_patients_language(at_desk):
    patient = await at_desk.lead(email="voz@patients.example", language="es")
    await at_desk.hear(talk(patient, mode="phone"))
    [file] = await calendars(at_desk, "voz@patients.example")
    [event] = file.walk("VEVENT")
    assert event["summary"] == "Visita en Harbor Clinic"
    assert "location" not in event


async def test_all_sessions_of_a_course_come_in_one_file(at_desk):
    patient = await at_desk.lead(email="six@patients.example")
    booked = await at_desk.course(patient, NOON + 14 * DAY)
    [file] = await calendars(at_desk, "six@patients.example")
    assert [event["uid"] for event in file.walk("VEVENT")] == [str(one.appointment_id) for one in booked]
    [mail] = [it for it in await at_desk.outside.mails("six@patients.example") if it["calendar"]]
    assert mail["attachments"] == ["visit.ics"]


async def test_other_mails_carry_no_file(at_desk):
    patient = await at_desk.lead(email="none@patients.example")
    assert patient
    assert await calendars(at_desk, "none@patients.example") == []
