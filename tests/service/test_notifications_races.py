"""What changes while a message is on its way out, and what the patient says after they had said something else."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from services.notifications.adapters.port import NotSent, Outgoing, Receipt, Refused
from services.notifications.handlers import transport
from services.notifications.jobs import deliver_due
from services.notifications.repository import visits
from shared.contracts.intake import Channel, ConsentKind, ConsentRevoked, LeadUpdated, PatientErased
from shared.contracts.scheduling import SessionScheduled
from shared.tasks import open_tasks
from tests.support.notifications import NOON, Desk, desk

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FIRST = NOON + 14 * DAY


@pytest.fixture
async def at_desk(fresh_world):
    async with desk(fresh_world) as made:
        yield made


class Down:
    """A carrier that certainly takes nothing."""

    async def send(self, message: Outgoing) -> Receipt:
        raise NotSent("down")

    async def look_up(self, message: Outgoing, since: datetime) -> Sequence[Receipt]:
        raise NotSent("down")


class Silent(Down):
    """One that may have taken it: the process dies while it is sent."""

    async def send(self, message: Outgoing) -> Receipt:
        raise Died


class Refusing(Down):
    """One that will never take it."""

    async def send(self, message: Outgoing) -> Receipt:
        raise Refused("twilio-30003")


class Died(BaseException):
    """What kill -9 looks like from inside."""


async def turn(at_desk: Desk, way: Down) -> None:
    """One turn of the delivery loop with this carrier for texts; then every wait is over."""
    try:
        while await deliver_due(at_desk.service, {**at_desk.ways, "sms": way}):
            pass
    except Died:
        pass
    pool = at_desk.service.pool
    await pool.execute("update messages set not_before = now() where state = 'ready' and not_before < 'infinity'")
    await pool.execute("update messages set lease_until = now() where state = 'sending' and lease_until < 'infinity'")


async def crowded(at_desk: Desk, phone: str) -> tuple:
    """Three visits of one day: the third one's question travels inside the second one's text, which is due now."""
    patient = await at_desk.lead(phone=phone, email=None)
    booked = [(await at_desk.course(patient, FIRST + ahead * HOUR, sessions=1))[0] for ahead in (0, 4, 6)]
    await at_desk.until(booked[1].starts_at - 3 * DAY - timedelta(minutes=1))
    at_desk.clock.move(timedelta(minutes=1))
    await at_desk.service.fire_due_timers()
    [inside] = [row for row in await at_desk.rows(patient, kind="escort") if row["carried_by"]]
    assert (inside["visit_id"], inside["state"]) == (booked[2].appointment_id, "ready")
    return patient, booked


async def test_what_travels_inside_a_text_that_is_taken_back_goes_alone(at_desk):
    patient, booked = await crowded(at_desk, "+18015553001")
    await turn(at_desk, Down())
    await at_desk.cancel(booked[1])
    await at_desk.until(at_desk.clock.now() + HOUR)
    [inside] = await at_desk.rows(patient, kind="escort", visit_id=booked[2].appointment_id)
    assert inside["state"] in ("sent", "delivered")
    assert any("Mon 15 Dec at 18:00" in text["body"] for text in await at_desk.outside.texts("+18015553001"))


async def test_what_travels_inside_a_text_that_fails_is_called_about_too(at_desk):
    patient, booked = await crowded(at_desk, "+18015553002")
    await turn(at_desk, Refusing())
    async with at_desk.service.reading() as uow:
        calls = {task.appointment_id for task in await open_tasks(uow.conn) if task.kind == "call-patient"}
    assert calls >= {booked[1].appointment_id, booked[2].appointment_id}
    assert (await at_desk.events(patient)).count("MessageFailed") == 2


async def reminded(at_desk: Desk, phone: str) -> tuple:
    """The text that asks for the ride was on its way out when the process died."""
    patient = await at_desk.lead(phone=phone, email=None)
    [booked] = await at_desk.course(patient, FIRST, sessions=1)
    await at_desk.until(FIRST - 3 * DAY - timedelta(minutes=1))
    at_desk.clock.move(timedelta(minutes=1))
    await at_desk.service.fire_due_timers()
    await turn(at_desk, Silent())
    [row] = await at_desk.rows(patient, kind="escort")
    assert row["state"] == "sending"
    return patient, booked


async def asked(at_desk: Desk, phone: str) -> list[str]:
    return [text["body"] for text in await at_desk.outside.texts(phone) if "Who takes you home" in text["body"]]


async def test_a_text_in_doubt_is_not_sent_again_once_its_visit_has_moved(at_desk):
    phone = "+18015553003"
    patient, booked = await reminded(at_desk, phone)
    await at_desk.move(booked, FIRST + 7 * DAY)
    await at_desk.until(at_desk.clock.now() + DAY)
    assert await asked(at_desk, phone) == []
    assert [row["state"] for row in await at_desk.rows(patient, kind="escort")] == ["withdrawn", "planned"]
    await at_desk.until(FIRST + 5 * DAY)
    [words] = await asked(at_desk, phone)
    assert "Mon 22 Dec" in words


async def test_a_text_in_doubt_is_not_sent_again_once_its_visit_is_cancelled(at_desk):
    phone = "+18015553004"
    _, booked = await reminded(at_desk, phone)
    await at_desk.cancel(booked)
    await at_desk.until(at_desk.clock.now() + DAY)
    assert await asked(at_desk, phone) == []


async def test_a_text_in_doubt_is_not_sent_again_after_stop(at_desk):
    phone = "+18015553005"
    patient, _ = await reminded(at_desk, phone)
    await at_desk.hear(ConsentRevoked(patient_id=patient, kind=ConsentKind.SMS, channel=Channel.TEXT))
    await at_desk.until(at_desk.clock.now() + DAY)
    assert await asked(at_desk, phone) == []


async def test_a_text_in_doubt_that_did_go_is_found_whatever_came_after(at_desk):
    phone = "+18015553006"
    patient = await at_desk.lead(phone=phone, email=None)
    [booked] = await at_desk.course(patient, FIRST, sessions=1)
    await at_desk.until(FIRST - 3 * DAY - timedelta(minutes=1))
    await at_desk.outside.break_(sms="accept_then_500")
    await at_desk.until(FIRST - 3 * DAY)
    await at_desk.outside.break_()
    await at_desk.move(booked, FIRST + 7 * DAY)
    await turn(at_desk, Down())
    await at_desk.deliver()
    assert len(await asked(at_desk, phone)) == 1
    [row] = [row for row in await at_desk.rows(patient, kind="escort") if row["sent_at"]]
    assert row["vendor_id"]


async def test_what_waited_for_its_carrier_goes_to_the_number_that_they_have_now(at_desk):
    """The old one may be somebody else's by then."""
    old, new = "+18015553021", "+18015553022"
    patient = await at_desk.lead(phone=old, email=None)
    await at_desk.deliver()
    await at_desk.course(patient, FIRST, sessions=1)
    before = len(await at_desk.outside.texts(old))
    await turn(at_desk, Down())
    async with at_desk.service.reading() as uow:
        contact = (await uow.keys.box(patient)).seal_json({"phone": new, "email": None})
    await at_desk.hear(
        LeadUpdated(patient_id=patient, changed=("phone",), contact=contact, has_phone=True, has_email=False)
    )
    await at_desk.deliver()
    assert [text["body"] for text in await at_desk.outside.texts(new) if "Mon 15 Dec" in text["body"]]
    assert len(await at_desk.outside.texts(old)) == before


async def test_news_that_waited_for_its_carrier_names_the_time_that_holds_now(at_desk):
    phone = "+18015553007"
    patient = await at_desk.lead(phone=phone, email=None)
    [booked] = await at_desk.course(patient, FIRST, sessions=1)
    await at_desk.until(NOON + 2 * DAY)
    await at_desk.move(booked, FIRST + DAY, revision=1)
    at_desk.clock.move(HOUR)
    await at_desk.service.fire_due_timers()
    await turn(at_desk, Down())
    await at_desk.move(booked, FIRST + 2 * DAY, revision=2)
    await at_desk.until(at_desk.clock.now() + HOUR)
    news = [text["body"] for text in await at_desk.outside.texts(phone) if "new time" in text["body"]]
    assert news
    assert all("Wed 17 Dec, 12:00" in words for words in news), news


async def test_news_of_a_visit_in_the_morning_is_told_in_the_evening(at_desk):
    """Cancelled or moved at night: whoever comes at eight must not read it at nine, alone or with other news."""
    at_desk.clock.move(10 * HOUR)
    eight = at_desk.clock.now() + 10 * HOUR
    cancelled = await at_desk.lead(phone="+18015553008", email=None)
    moved = await at_desk.lead(phone="+18015553009", email=None)
    calm = await at_desk.lead(phone="+18015553010", email=None)
    for patient in (cancelled, moved, calm):
        [early] = await at_desk.course(patient, eight, sessions=1)
        [late] = await at_desk.course(patient, eight + 7 * DAY, sessions=1)
        await at_desk.deliver()
        if patient == cancelled:
            await at_desk.cancel(late, early)
        elif patient == moved:
            await at_desk.move(early, FIRST)
        else:
            await at_desk.cancel(late)
    await at_desk.until(at_desk.clock.now() + HOUR)
    assert "cancelled" in dict(await at_desk.said(cancelled))
    assert "rescheduled" in dict(await at_desk.said(moved))
    assert "cancelled" not in dict(await at_desk.said(calm)), "nobody is woken for next week"


async def ride(at_desk: Desk, booked: SessionScheduled) -> str:
    async with at_desk.service.reading() as uow:
        found: str = await uow.conn.fetchval("select transport from visits where id = $1", booked.appointment_id)
    return found


async def test_the_call_about_a_missing_ride_goes_with_the_ride_also_after_a_move_within_the_day(at_desk):
    patient = await at_desk.lead()
    [booked] = await at_desk.course(patient, FIRST, sessions=1)
    await at_desk.until(FIRST - timedelta(hours=12))
    assert await at_desk.tasks(patient) == ["transport-missing"]
    await at_desk.move(booked, FIRST + 2 * HOUR)
    await at_desk.until(FIRST - timedelta(hours=10))
    assert await at_desk.tasks(patient) == ["transport-missing"]
    assert (await at_desk.events(patient)).count("TransportMissing") == 2, "the session is held at its new hour too"
    await at_desk.texts_in(patient, "Karin")
    assert await ride(at_desk, booked) == "confirmed"
    assert await at_desk.tasks(patient) == []


async def test_at_another_hour_of_its_day_the_ride_is_asked_again_and_missing_at_the_cut_off(at_desk):
    """Scheduling asks for the ride of the new hour: nobody may stand at a closed door who was never asked for it."""
    patient = await at_desk.lead()
    [booked] = await at_desk.course(patient, FIRST, sessions=1)
    await at_desk.name_escort(booked.appointment_id)
    await at_desk.move(booked, FIRST + 2 * HOUR)
    await at_desk.until(FIRST - 3 * DAY + 2 * HOUR)
    assert "Who takes you home" in dict(await at_desk.said(patient))["escort"]
    await at_desk.until(FIRST - timedelta(hours=10))
    assert "TransportMissing" in await at_desk.events(patient)
    assert await at_desk.tasks(patient) == ["transport-missing"]
    await at_desk.texts_in(patient, "1")
    assert await ride(at_desk, booked) == "confirmed"
    assert await at_desk.tasks(patient) == []


async def test_nobody_after_all_takes_the_ride_back_and_holds_the_session(at_desk):
    patient = await at_desk.lead()
    [booked] = await at_desk.course(patient, FIRST, sessions=1)
    await at_desk.name_escort(booked.appointment_id)
    async with at_desk.service.transaction(actor="patient") as uow:
        visit = await visits.find(uow.conn, booked.appointment_id)
        assert visit is not None
        await transport.nobody_yet(uow, visit)
    assert await ride(at_desk, booked) != "confirmed"
    assert "TransportMissing" in await at_desk.events(patient)
    assert await at_desk.tasks(patient) == ["transport-help"]


async def test_nobody_is_called_who_was_erased(at_desk):
    patient = await at_desk.lead(phone=None, email=None)
    assert await at_desk.tasks(patient) == ["call-patient"]
    await at_desk.hear(PatientErased(patient_id=patient, requested_at=at_desk.clock.now()))
    assert await at_desk.tasks(patient) == []
