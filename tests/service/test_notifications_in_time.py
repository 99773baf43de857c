"""What would come too late comes earlier, what is due at its last moment comes, what is of no more use does not."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest

from services.notifications.adapters.port import NotSent, Outgoing, Receipt
from services.notifications.jobs import deliver_due
from tests.support.notifications import NOON, Desk, desk

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
FIRST = NOON + 14 * DAY


@pytest.fixture
async def at_desk(fresh_world):
    async with desk(fresh_world) as made:
        yield made


class Down:
    """A carrier that certainly takes nothing."""

    async def send(self, message: Outgoing) -> Receipt:
        raise NotSent("down")

    async def look_up(self, message: Outgoing, since: object) -> Sequence[Receipt]:
        raise NotSent("down")


async def kinds(at_desk: Desk, patient: UUID) -> list[str]:
    return [kind for kind, _ in await at_desk.said(patient)]


async def had_as_many_as_a_day_allows(at_desk: Desk, patient: UUID) -> None:
    """Two talks are booked, told one by one."""
    for ahead in (30, 40):
        await at_desk.course(patient, FIRST + ahead * DAY, sessions=1)
        await at_desk.deliver()


async def test_what_is_due_at_its_last_moment_still_goes_a_moment_later(at_desk):
    """Three hours before eleven o'clock is before nine, two hours before is nine: it is due then, and not too late."""
    patient = await at_desk.lead()
    eleven = FIRST - HOUR
    await at_desk.course(patient, eleven, sessions=1)
    [arrival] = await at_desk.rows(patient, kind="arrival")
    assert arrival["due_at"] == arrival["until_at"] == eleven - 2 * HOUR
    await at_desk.until(arrival["due_at"] - MINUTE)
    at_desk.clock.move(MINUTE + timedelta(seconds=2))
    await at_desk.service.fire_due_timers()
    await at_desk.deliver()
    assert "arrival" in await kinds(at_desk, patient)


@pytest.mark.parametrize("moved", [False, True])
async def test_news_of_tomorrow_morning_does_not_wait_for_tomorrow_because_of_todays_texts(at_desk, moved):
    """They would read it at nine, fasting and on their way."""
    patient = await at_desk.lead(email=None)
    [early] = await at_desk.course(patient, NOON + DAY - timedelta(hours=2, minutes=30), sessions=1)
    at_desk.clock.move(timedelta(seconds=30))
    await at_desk.service.fire_due_timers()
    await had_as_many_as_a_day_allows(at_desk, patient)
    if moved:
        await at_desk.move(early, early.starts_at + 5 * HOUR)
    else:
        await at_desk.cancel(early)
    await at_desk.until(NOON + HOUR)
    assert ("rescheduled" if moved else "cancelled") in await kinds(at_desk, patient)


async def test_a_cancellation_is_not_put_off_until_its_visit_is_over(at_desk):
    """Without consent a week allows three texts: what does not fit in time, a person tells."""
    patient = await at_desk.lead(email=None, consents=())
    booked = [(await at_desk.course(patient, FIRST + ahead * DAY, sessions=1))[0] for ahead in (0, 20, 30)]
    await at_desk.until(FIRST - 2 * DAY)
    # As many as a week allows, sent yesterday: they count like any others.
    await at_desk.service.pool.execute(
        "update messages set sent_at = $2, exempt = false where patient_id = $1 and sent_at is not null",
        patient,
        FIRST - 3 * DAY,
    )
    await at_desk.cancel(booked[0])
    await at_desk.until(FIRST)
    assert "cancelled" in await kinds(at_desk, patient) or "call-patient" in await at_desk.tasks(patient)


async def test_a_move_is_still_told_when_the_old_time_has_passed_meanwhile(at_desk):
    patient = await at_desk.lead(email=None)
    [booked] = await at_desk.course(patient, FIRST, sessions=1)
    await at_desk.until(FIRST - 2 * DAY)
    await at_desk.move(booked, FIRST + 7 * DAY)
    at_desk.clock.move(3 * DAY)  # this service was away
    await at_desk.service.fire_due_timers()
    await at_desk.deliver()
    assert "Mon 22 Dec" in dict(await at_desk.said(patient))["rescheduled"]


async def test_what_its_carrier_could_not_take_until_it_was_of_no_use_is_not_sent_after_that(at_desk):
    patient = await at_desk.lead(email=None)
    await at_desk.course(patient, FIRST, sessions=1)
    [arrival] = await at_desk.rows(patient, kind="arrival")
    await at_desk.until(arrival["due_at"] - MINUTE)
    at_desk.clock.move(MINUTE)
    await at_desk.service.fire_due_timers()
    await deliver_due(at_desk.service, {**at_desk.ways, "sms": Down()})
    at_desk.clock.move(4 * HOUR)
    await at_desk.service.pool.execute("update messages set not_before = now() where state = 'ready'")
    await at_desk.deliver()
    assert "arrival" not in await kinds(at_desk, patient)
    [arrival] = await at_desk.rows(patient, kind="arrival")
    assert (arrival["state"], arrival["reason"]) == ("suppressed", "too_late")
