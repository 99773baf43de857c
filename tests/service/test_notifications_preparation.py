"""What a session asks of a patient: told early, answered one by one, and asked for by a person where it was not."""

from datetime import timedelta

import pytest

from services.notifications.handlers import preparing, transport
from services.notifications.repository import visits
from shared.contracts.intake import LeadMerged
from shared.contracts.notifications import PREPARATION
from tests.support.notifications import NOON, Desk, desk
from tests.support.told import told

DAY = timedelta(days=1)
FIRST = NOON + 14 * DAY
CALL = timedelta(hours=3)


@pytest.fixture
async def at_desk(world):
    async with desk(world) as made:
        yield made


async def booked(at_desk: Desk):
    patient = await at_desk.lead()
    [session] = await at_desk.course(patient, FIRST, sessions=1)
    return patient, session


async def says(at_desk: Desk, session, **items: bool) -> None:
    """The patient answers on their page."""
    async with at_desk.service.transaction(actor="patient") as uow:
        visit = await visits.find(uow.conn, session.appointment_id)
        assert visit is not None
        for item, ok in items.items():
            await preparing.answer(uow, visit, item, ok=ok)


async def test_who_has_not_said_whether_they_fast_is_called_three_hours_before(at_desk):
    patient, session = await booked(at_desk)
    await says(at_desk, session, solids=True, sleep=True)
    await at_desk.until(FIRST - CALL - timedelta(minutes=1))
    assert "prep-unanswered" not in await at_desk.tasks(patient)
    await at_desk.until(FIRST - CALL)
    assert "prep-unanswered" in await at_desk.tasks(patient)
    await says(at_desk, session, fluids=True)
    assert "prep-unanswered" not in await at_desk.tasks(patient)


async def test_who_answered_is_not_called(at_desk):
    patient, session = await booked(at_desk)
    await says(at_desk, session, **dict.fromkeys(PREPARATION, True))
    await at_desk.until(FIRST)
    assert "prep-unanswered" not in await at_desk.tasks(patient)
    assert (await at_desk.events(patient)).count("PrepConfirmed") == len(PREPARATION)


async def test_a_no_is_told_to_staff_item_by_item(at_desk):
    patient, session = await booked(at_desk)
    await says(at_desk, session, solids=False, driving=False)
    assert await at_desk.tasks(patient) == ["prep-not-kept", "prep-not-kept"]
    await says(at_desk, session, driving=True)
    assert await at_desk.tasks(patient) == ["prep-not-kept"]


async def test_a_second_no_is_told_again_and_goes_with_the_visit(at_desk):
    patient, session = await booked(at_desk)
    for ok in (False, True, False):
        await says(at_desk, session, solids=ok)
        assert ("prep-not-kept" in await at_desk.tasks(patient)) is not ok
    await at_desk.move(session, FIRST + DAY)
    assert "prep-not-kept" not in await at_desk.tasks(patient)
    await says(at_desk, session, solids=False, fluids=False)
    assert (await at_desk.tasks(patient)).count("prep-not-kept") == 2
    await at_desk.cancel(session)
    assert "prep-not-kept" not in await at_desk.tasks(patient)


async def test_the_call_moves_with_the_session_and_goes_with_it(at_desk):
    patient, session = await booked(at_desk)
    await at_desk.move(session, FIRST + DAY)
    await at_desk.until(FIRST)
    assert "prep-unanswered" not in await at_desk.tasks(patient)
    await at_desk.until(FIRST + DAY - CALL)
    assert "prep-unanswered" in await at_desk.tasks(patient)
    await at_desk.cancel(session)
    assert "prep-unanswered" not in await at_desk.tasks(patient)


async def test_at_another_hour_of_its_day_the_preparation_is_asked_again(at_desk):
    """Fasting from two o'clock is no fasting for a session at eight; scheduling's gate asks for the new hour too."""
    patient, session = await booked(at_desk)
    await says(at_desk, session, solids=True, fluids=True)
    await at_desk.move(session, FIRST - timedelta(hours=2))
    await at_desk.until(FIRST - timedelta(hours=2) - CALL)
    assert "prep-unanswered" in await at_desk.tasks(patient)
    said = (await at_desk.events(patient)).count("PrepConfirmed")
    await says(at_desk, session, solids=True, fluids=True)
    assert (await at_desk.events(patient)).count("PrepConfirmed") == said + 2, "the same words are news of the new hour"
    assert "prep-unanswered" not in await at_desk.tasks(patient)


async def test_a_session_that_is_only_handed_to_others_asks_nothing_again(at_desk):
    patient, session = await booked(at_desk)
    await says(at_desk, session, solids=True)
    await at_desk.until(FIRST - CALL)
    planned = await at_desk.events(patient)
    await at_desk.move(session, FIRST)
    assert await at_desk.events(patient) == planned, "the patient is told of nothing"
    assert "prep-unanswered" in await at_desk.tasks(patient)
    await says(at_desk, session, fluids=True)
    assert "prep-unanswered" not in await at_desk.tasks(patient)


async def test_the_call_goes_with_the_answer_and_the_visit_also_after_a_merge(at_desk):
    """Whoever the patient turned out to be: the task was raised for the visit's own patient, and is closed for them."""
    absorbed, first = await booked(at_desk)
    [second] = await at_desk.course(absorbed, FIRST + timedelta(hours=4), sessions=1)
    survivor = await at_desk.lead()
    await at_desk.until(FIRST - CALL)
    await at_desk.hear(LeadMerged(patient_id=survivor, absorbed_id=absorbed, reason="same-person"))
    await at_desk.until(FIRST + timedelta(hours=2))
    assert (await at_desk.tasks(absorbed)).count("prep-unanswered") == 2
    await says(at_desk, first, solids=True, fluids=True)
    assert (await at_desk.tasks(absorbed)).count("prep-unanswered") == 1
    await at_desk.cancel(second)
    await at_desk.until(FIRST + timedelta(hours=6))
    assert "prep-unanswered" not in await at_desk.tasks(absorbed) + await at_desk.tasks(survivor)


async def test_a_ride_is_confirmed_once_and_for_another_hour_of_the_day_once_more(at_desk):
    """Scheduling asks for the ride of the new hour; whoever says the same name again must be heard there."""
    patient, session = await booked(at_desk)

    async def confirmed() -> bool:
        async with at_desk.service.transaction(actor="staff:dana") as uow:
            visit = await visits.find(uow.conn, session.appointment_id)
            assert visit is not None
            return await transport.confirm(uow, visit, escort="Karin", by="staff")

    assert [await confirmed(), await confirmed()] == [True, False]
    await at_desk.move(session, FIRST + timedelta(hours=1))
    assert [await confirmed(), await confirmed()] == [True, False]
    assert (await at_desk.events(patient)).count("TransportConfirmed") == 2


async def test_over_the_page_each_point_has_its_own_answer_and_silence_becomes_a_call(world, eventually):
    async with told(world) as stack:
        patient, sessions, page = await stack.approved()
        first = sessions[0]
        for item in PREPARATION:
            if item not in ("fluids", "driving"):
                form = {"visit": str(first.appointment_id), "item": item, "answer": "yes"}
                assert (await stack.http.post(f"{page}/prepare", data=form)).status_code == 303
        shown = await stack.http.get(page, headers={"accept": "text/html"})
        assert shown.text.count("✓ Yes") == len(PREPARATION) - 2
        await stack.outside.forward(to=(first.starts_at - CALL + timedelta(minutes=1)).isoformat())

        async def raised():
            tasks = (await stack.http.get("/api/v1/tasks", headers=stack.running.as_staff("dana"))).json()["tasks"]
            found = {task["kind"]: task for task in tasks if task["patient_id"] == str(patient)}
            assert found["prep-unanswered"]["appointment_id"] == str(first.appointment_id)
            return found

        await eventually(raised)
        form = {"visit": str(first.appointment_id), "item": "fluids", "answer": "no"}
        assert (await stack.http.post(f"{page}/prepare", data=form)).status_code == 303
        tasks = (await stack.http.get("/api/v1/tasks", headers=stack.running.as_staff("dana"))).json()["tasks"]
        mine = {task["kind"]: task["detail"] for task in tasks if task["patient_id"] == str(patient)}
        assert "fluids" in mine["prep-not-kept"]
        assert "prep-unanswered" not in mine
