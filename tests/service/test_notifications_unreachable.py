"""Who can't be written to is called: nothing that a patient must hear, or be asked, goes silently."""

from datetime import timedelta
from uuid import UUID

import pytest

from shared.contracts.intake import Channel, ConsentKind, ConsentRevoked
from shared.contracts.scheduling import SessionCompleted
from shared.ids import new_id
from shared.tasks import close_by_id, open_tasks
from tests.support.notifications import NOON, Desk, desk

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FIRST = NOON + 14 * DAY


@pytest.fixture
async def at_desk(world):
    async with desk(world) as made:
        yield made


async def calls(at_desk: Desk, patient: UUID) -> list[str]:
    """What a person has to call about."""
    async with at_desk.service.reading() as uow:
        found = [task for task in await open_tasks(uow.conn) if task.patient_id == patient]
    return sorted(task.occurrence.partition(":")[0] for task in found if task.kind == "call-patient")


async def called(at_desk: Desk, patient: UUID) -> None:
    """Somebody called about all of it."""
    async with at_desk.service.transaction(actor="staff:dana") as uow:
        for task in await open_tasks(uow.conn):
            if task.patient_id == patient:
                assert await close_by_id(uow, task.id, outcome="done")


async def stop(at_desk: Desk, patient: UUID) -> None:
    await at_desk.hear(ConsentRevoked(patient_id=patient, kind=ConsentKind.SMS, channel=Channel.TEXT))


@pytest.mark.parametrize(("email", "by_call"), [(None, ["course_scheduled"]), ("known", [])])
async def test_news_that_waits_for_the_morning_is_told_by_a_person_after_a_stop(at_desk, email, by_call):
    """The confirmation of their STOP says that they are called about their visits."""
    at_desk.clock.move(10 * HOUR)
    patient = await at_desk.lead(**({} if email else {"email": None}))
    await at_desk.course(patient, FIRST, sessions=1)
    await stop(at_desk, patient)
    await at_desk.until(NOON + DAY)
    assert "course_scheduled" not in dict(await at_desk.said(patient))
    assert await calls(at_desk, patient) == by_call


async def test_a_visit_that_joins_the_course_later_is_told_by_a_person_too(at_desk):
    patient = await at_desk.lead(phone=None, email=None)
    [booked] = await at_desk.course(patient, FIRST, sessions=1)
    assert "course_scheduled" in await calls(at_desk, patient)
    await called(at_desk, patient)
    again = booked.model_copy(update={"appointment_id": new_id(), "starts_at": FIRST + DAY, "ends_at": FIRST + 2 * DAY})
    await at_desk.hear(again)
    assert await calls(at_desk, patient) == ["session_scheduled"]


@pytest.mark.parametrize("stopped", [False, True])
async def test_who_can_not_be_asked_how_they_are_the_day_after_is_called(at_desk, stopped):
    patient = await at_desk.lead(email=None) if stopped else await at_desk.lead(phone=None, email=None)
    [session] = await at_desk.course(patient, FIRST, sessions=1)
    if stopped:
        await at_desk.deliver()
        await stop(at_desk, patient)
    await called(at_desk, patient)
    await at_desk.until(session.ends_at)
    await called(at_desk, patient)
    await at_desk.hear(
        SessionCompleted(
            patient_id=patient, appointment_id=session.appointment_id, number=1, of=1, discharged_at=session.ends_at,
            escort_present=True,
        )
    )  # fmt: skip
    assert await calls(at_desk, patient) == []
    await at_desk.until(session.ends_at + DAY + HOUR)
    assert await calls(at_desk, patient) == ["check_in"]
    assert "check_in" not in dict(await at_desk.said(patient))


async def test_who_does_not_come_is_not_called_the_day_after(at_desk):
    patient = await at_desk.lead(phone=None, email=None)
    [session] = await at_desk.course(patient, FIRST, sessions=1)
    await called(at_desk, patient)
    await at_desk.until(session.ends_at + 3 * DAY)
    assert "check_in" not in await calls(at_desk, patient)


async def test_their_stop_is_not_the_escorts(at_desk):
    """The escort has another telephone, and the patient asked for that text."""
    at_desk.clock.move(10 * HOUR)
    patient = await at_desk.lead()
    [session] = await at_desk.course(patient, FIRST, sessions=1)
    await at_desk.name_escort(session.appointment_id, phone="+18015554777")
    await stop(at_desk, patient)
    await at_desk.until(NOON + DAY)
    assert len(await at_desk.outside.texts("+18015554777")) == 1
