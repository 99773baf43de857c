"""What patients text back, the way home, and what happens when nobody answers."""

from datetime import timedelta

import pytest

from tests.support.notifications import NOON, Desk, desk

DAY = timedelta(days=1)
FIRST = NOON + 14 * DAY


@pytest.fixture
async def at_desk(world):
    async with desk(world) as made:
        yield made


async def asked(at_desk: Desk, **lead):
    """A patient who was asked for the ride to their one session."""
    patient = await at_desk.lead(**lead)
    [booked] = await at_desk.course(patient, FIRST, sessions=1)
    await at_desk.until(FIRST - 3 * DAY + timedelta(minutes=1))
    assert [kind for kind, _ in await at_desk.said(patient)][-1] == "escort"
    return patient, booked


async def ride(at_desk: Desk, booked) -> str:
    async with at_desk.service.reading() as uow:
        found: str = await uow.conn.fetchval("select transport from visits where id = $1", booked.appointment_id)
    return found


async def test_a_one_confirms_the_ride_and_is_thanked(at_desk):
    patient, booked = await asked(at_desk)
    await at_desk.texts_in(patient, "1")
    await at_desk.deliver()
    assert await ride(at_desk, booked) == "confirmed"
    assert (await at_desk.events(patient))[-3:] == ["QuestionAnswered", "TransportConfirmed", "MessageSent"]
    assert [kind for kind, _ in await at_desk.said(patient)][-1] == "transport_thanks"
    await at_desk.until(FIRST)
    words = dict(await at_desk.said(patient))["eve"]
    assert "Who takes you home" not in words
    assert "TransportMissing" not in await at_desk.events(patient)
    assert "transport-missing" not in await at_desk.tasks(patient)


async def test_a_name_is_kept_as_the_escort(at_desk):
    patient, booked = await asked(at_desk)
    await at_desk.texts_in(patient, "Karin, my wife")
    async with at_desk.service.reading() as uow:
        sealed = await uow.conn.fetchval("select escort from visits where id = $1", booked.appointment_id)
        assert (await uow.keys.box(patient)).open(sealed) == "Karin, my wife"


async def test_a_two_brings_a_person_and_is_asked_again(at_desk):
    patient, booked = await asked(at_desk)
    await at_desk.texts_in(patient, "2")
    await at_desk.deliver()
    assert await at_desk.tasks(patient) == ["transport-help"]
    assert [kind for kind, _ in await at_desk.said(patient)][-1] == "transport_help"
    await at_desk.texts_in(patient, "My sister Ana")
    assert await ride(at_desk, booked) == "confirmed"
    assert await at_desk.tasks(patient) == []


async def test_what_is_not_plain_is_read_by_a_person_and_the_question_stays(at_desk):
    patient, booked = await asked(at_desk)
    await at_desk.texts_in(patient, "maybe my brother, not sure yet")
    await at_desk.texts_in(patient, "he works on Mondays")
    await at_desk.deliver()
    assert await at_desk.tasks(patient) == ["read-answer", "read-answer"]
    assert [kind for kind, _ in await at_desk.said(patient)].count("read_by_person") == 1
    await at_desk.texts_in(patient, "yes")
    assert await ride(at_desk, booked) == "confirmed"


async def test_no_answer_by_the_cut_off_holds_the_session_and_calls_a_person(at_desk):
    patient, booked = await asked(at_desk)
    await at_desk.until(FIRST - timedelta(hours=12))
    assert await ride(at_desk, booked) == "missing"
    assert "TransportMissing" in await at_desk.events(patient)
    assert await at_desk.tasks(patient) == ["transport-missing"]
    assert "we don't know yet who takes you home" in dict(await at_desk.said(patient))["transport_missing"].lower()
    await at_desk.texts_in(patient, "Karin")
    assert await ride(at_desk, booked) == "confirmed"
    assert await at_desk.tasks(patient) == []


async def test_another_day_asks_anew(at_desk):
    patient, booked = await asked(at_desk)
    await at_desk.texts_in(patient, "1")
    await at_desk.move(booked, FIRST + 7 * DAY)
    assert await ride(at_desk, booked) == "open"
    await at_desk.until(FIRST + 5 * DAY)
    assert [kind for kind, _ in await at_desk.said(patient)].count("escort") == 2


async def test_an_answer_on_a_shared_phone_goes_to_who_was_asked_last(at_desk):
    mother, _ = await asked(at_desk, phone="+18015557777")
    son = await at_desk.lead(phone="+18015557777", email="son@patients.example")
    [booked] = await at_desk.course(son, FIRST + DAY, sessions=1)
    await at_desk.until(FIRST - 2 * DAY + timedelta(minutes=5))
    await at_desk.texts_in(mother, "1")
    assert await ride(at_desk, booked) == "confirmed"
    assert "QuestionAnswered" in await at_desk.events(son)
    assert "QuestionAnswered" not in await at_desk.events(mother)


async def test_an_answer_without_a_question_is_read_by_a_person(at_desk):
    patient = await at_desk.lead()
    await at_desk.texts_in(patient, "1")
    assert await at_desk.tasks(patient) == ["read-answer"]


async def test_a_picture_is_no_answer(at_desk):
    patient, booked = await asked(at_desk)
    await at_desk.texts_in(patient, "1", media=1)
    assert await ride(at_desk, booked) == "open"
    assert await at_desk.tasks(patient) == ["read-answer"]


async def test_help_is_answered_with_the_clinics_phone(at_desk):
    patient = await at_desk.lead()
    await at_desk.texts_in(patient, "HELP", keyword="help")
    await at_desk.deliver()
    assert "(801) 555-0100" in dict(await at_desk.said(patient))["help"]


async def test_after_a_cancellation_nobody_is_missing(at_desk):
    patient, booked = await asked(at_desk)
    await at_desk.cancel(booked)
    await at_desk.until(FIRST)
    assert "TransportMissing" not in await at_desk.events(patient)
    await at_desk.texts_in(patient, "1")
    assert await at_desk.tasks(patient) == ["read-answer"]
