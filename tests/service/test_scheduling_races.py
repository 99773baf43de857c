"""Two things at once, or one after the other in an order that nobody wished for."""

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.scheduling import jobs
from services.scheduling.domain.planner import Plan, plan
from services.scheduling.handlers import absences, consultations
from shared.contracts.intake import ExternalBookingReceived, LeadMerged, PatientErased
from shared.contracts.notifications import PrepConfirmed, TransportConfirmed, TransportMissing
from tests.support.scheduling import Calendar, calendar_of, on_weekdays
from tests.support.waiting import eventually
from tests.support.world import World

CONFLICTS = "tasks where kind = 'calendar-conflict' and subject = $1 and closed_at is null"
STANDS = "appointments where patient_id = $1 and state = 'booked'"
LOCKS = "pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"


@pytest.fixture(scope="module")
async def calendar(world: World) -> AsyncIterator[Calendar]:
    async with calendar_of(world) as made:
        yield made


async def gate(calendar: Calendar, appointment: str, code: str) -> dict[str, Any]:
    shown = await calendar.get(f"/api/v1/appointments/{appointment}/gates", person="tran")
    found: dict[str, Any] = next(one for one in shown["gates"] if one["code"] == code)
    return found


async def another_time(calendar: Calendar, session: dict[str, Any]) -> str:
    first = session["starts_at"][:10]
    offers = await calendar.offers(kind="session", appointment_id=session["id"], days=7, **{"from": first})
    found: str = next(one["starts_at"] for one in offers if one["starts_at"] != session["starts_at"])
    return found


async def missing(calendar: Calendar, patient: UUID, session: dict[str, Any]) -> None:
    begins = datetime.fromisoformat(session["starts_at"])
    said = TransportMissing(patient_id=patient, appointment_id=session["id"], starts_at=begins, cut_off_at=begins)
    await calendar.say("notifications", said)
    await eventually(lambda: calendar.state(session["id"]), equals="held")


async def test_a_hand_over_without_anybody_airway_trained_says_so(calendar: Calendar) -> None:
    patient = await calendar.patient()
    session = next(one for one in await calendar.course(patient) if one["monitor_id"] == "tran")
    dose, ends = (datetime.fromisoformat(one) for one in (session["session"]["dose_at"], session["ends_at"]))
    for person, starts_at in (("tran", dose), ("rios", dose + timedelta(hours=1)), ("osei", dose + timedelta(hours=1))):
        body = {"person_id": person, "starts_at": starts_at.isoformat(), "ends_at": ends.isoformat()}
        assert (await calendar.post("/api/v1/absences", body)).status_code == 201
    refused = await calendar.change(
        session["id"], "reschedule", 409, starts_at=session["starts_at"], reason="clinic", monitor_id="bell"
    )
    assert refused["code"] == "airway_missing"
    assert "airway" in refused["detail"]


async def test_a_held_session_that_is_handed_to_somebody_else_stays_held(calendar: Calendar) -> None:
    patient = await calendar.patient()
    session, _ = await calendar.some_that_can_move(on_weekdays(await calendar.course(patient)))
    await missing(calendar, patient, session)
    other = "rios" if session["provider_id"] == "osei" else "osei"
    handed = await calendar.change(
        session["id"], "reschedule", starts_at=session["starts_at"], reason="illness", provider_id=other
    )
    assert (handed["provider_id"], handed["state"]) == (other, "held")
    moved = await calendar.change(
        session["id"], "reschedule", starts_at=await another_time(calendar, session), reason="patient"
    )
    assert moved["state"] == "booked"


async def test_a_signature_past_a_gate_is_for_the_time_for_which_it_was_given(calendar: Calendar) -> None:
    patient = await calendar.patient()
    session = (await calendar.course(patient))[-1]  # the one that can be moved on any day

    async def ate() -> None:
        said = PrepConfirmed(
            patient_id=patient, appointment_id=session["id"], item="solids", ok=False, answered_at=calendar.now
        )
        await calendar.say("notifications", said)
        await eventually(lambda: fasting("because"), equals="fasting-broken", timeout=15)

    async def fasting(name: str) -> Any:
        return (await gate(calendar, session["id"], "fasting"))[name]

    async def sign() -> None:
        answer = await calendar.scheduling.http.post(
            f"/api/v1/appointments/{session['id']}/overrides",
            json={"gate": "fasting", "reason": "A dry biscuit at five, seen and safe."},
            headers=calendar.scheduling.as_staff("osei", step_up=True),
        )
        assert answer.status_code == 201, answer.text

    await ate()
    await sign()
    assert await fasting("standing") == "signed"
    at = await another_time(calendar, session)
    await calendar.change(session["id"], "reschedule", starts_at=at, reason="patient")
    await ate()
    assert await fasting("standing") == "open"
    await sign()
    assert await fasting("standing") == "signed"
    assert await calendar.count("overrides where appointment_id = $1", UUID(session["id"])) == 2


async def test_a_ride_that_was_said_of_the_old_time_does_not_count_whenever_it_was_said(calendar: Calendar) -> None:
    """The patient answers before notifications has heard of the move: later than it, and still of the old time."""
    patient = await calendar.patient()
    session = (await calendar.course(patient))[-1]  # the one that can be moved on any day
    old = datetime.fromisoformat(session["starts_at"])
    at = await another_time(calendar, session)
    await calendar.change(session["id"], "reschedule", starts_at=at, reason="patient")

    def confirmed(starts_at: datetime) -> TransportConfirmed:
        return TransportConfirmed(
            patient_id=patient, appointment_id=session["id"], by="patient", confirmed_at=calendar.now,
            starts_at=starts_at,
        )  # fmt: skip

    def said(item: str, starts_at: datetime) -> PrepConfirmed:
        return PrepConfirmed(
            patient_id=patient, appointment_id=session["id"], item=item, ok=True, answered_at=calendar.now,
            starts_at=starts_at,
        )  # fmt: skip

    begins = datetime.fromisoformat(at)
    await calendar.say("notifications", confirmed(old), said("solids", old), said("fluids", begins))
    of_it = "preparation where appointment_id = $1 and item = $2"
    await eventually(lambda: calendar.count(of_it, UUID(session["id"]), "fluids"), equals=1)
    assert await calendar.count(of_it, UUID(session["id"]), "solids") == 0
    assert (await gate(calendar, session["id"], "escort"))["standing"] != "holds"
    await calendar.say("notifications", confirmed(begins))
    await eventually(lambda: _standing(calendar, session["id"]), equals="holds", timeout=15)


async def _standing(calendar: Calendar, appointment: str) -> str:
    found: str = (await gate(calendar, appointment, "escort"))["standing"]
    return found


async def test_leave_and_a_booking_of_the_same_moment_never_miss_each_other(calendar: Calendar) -> None:
    """Whichever commits first, the other sees it: either it is not booked, or somebody is asked to resolve it."""
    patient = await calendar.patient()
    at = datetime.fromisoformat((await calendar.offers(mode="video", provider="osei", days=14))[-1]["starts_at"])
    service = calendar.scheduling.service

    async def leave() -> None:
        async with service.transaction(actor="staff:dana") as uow:
            await absences.note(uow, "osei", at, at + timedelta(hours=1))

    wanted = consultations.Wanted(patient, at.astimezone(UTC), "video", "osei", "staff")
    async with service.transaction(actor="staff:dana") as uow:
        await consultations.book(uow, wanted)
        noting = asyncio.create_task(leave())

        async def waits() -> bool:
            return noting.done() or await calendar.count(LOCKS) > 0

        await eventually(waits)
    await noting
    assert await calendar.count(CONFLICTS, patient) == 1


async def test_leave_of_the_whole_day_asks_nothing_about_what_is_over(calendar: Calendar) -> None:
    patient = await calendar.patient()
    offers = await calendar.offers(mode="video", provider="osei", days=14)
    times = [datetime.fromisoformat(one["starts_at"]) for one in offers]
    at = next(one for one in times if one + timedelta(hours=4) in times)
    over = await calendar.book(patient, at.isoformat(), provider_id="osei")
    still = await calendar.patient()
    later = at + timedelta(hours=4)
    ahead = await calendar.book(still, later.isoformat(), provider_id="osei")
    await calendar.later(at + timedelta(hours=2))
    body = {
        "person_id": "osei",
        "starts_at": (at - timedelta(hours=1)).isoformat(),
        "ends_at": (at + timedelta(hours=8)).isoformat(),
    }
    answer = await calendar.post("/api/v1/absences", body)
    theirs = {over["id"], ahead["id"]}  # on some days there are others' sessions too
    assert theirs.intersection(answer.json()["in_the_way"]) == {ahead["id"]}
    assert (await calendar.count(CONFLICTS, patient), await calendar.count(CONFLICTS, still)) == (0, 1)
    shown = await calendar.get(f"/api/v1/absences/{answer.json()['id']}")
    assert theirs.intersection(shown["in_the_way"]) == {ahead["id"]}


async def test_no_course_is_planned_for_somebody_who_was_erased(calendar: Calendar) -> None:
    patient = await calendar.patient()
    approval = await calendar.approve(patient, days=6)
    await eventually(
        lambda: calendar.count("courses where approval_id = $1 and state = 'infeasible'", approval), equals=1
    )
    await calendar.say("intake", PatientErased(patient_id=patient, requested_at=calendar.now))
    await eventually(lambda: calendar.count("patients where patient_id = $1 and erased", patient), equals=1)
    assert (await calendar.post(f"/api/v1/approvals/{approval}/plan")).status_code == 404
    assert await calendar.count("courses where approval_id = $1 and state = 'stopped'", approval) == 1
    assert await calendar.count("tasks where subject = $1 and closed_at is null", patient) == 0


async def test_what_the_other_system_moved_after_a_no_show_stands_here_again(calendar: Calendar) -> None:
    patient = await calendar.patient()
    at = datetime.fromisoformat((await calendar.offers(mode="video", days=14))[0]["starts_at"])

    async def say(starts_at: datetime) -> None:
        told = ExternalBookingReceived(
            patient_id=patient, vendor="vagaro", external_id="b-77", starts_at=starts_at,
            ends_at=starts_at + timedelta(hours=1), status="booked", provider_ref="osei", changed_at=calendar.now,
        )  # fmt: skip
        await calendar.say("intake", told)

    await say(at)
    await eventually(lambda: calendar.count(STANDS, patient), equals=1)
    (found,) = (await calendar.get(f"/api/v1/patients/{patient}/appointments"))["appointments"]
    await calendar.later(at + timedelta(minutes=20))
    await calendar.change(found["id"], "no-show", person="tran")
    await say(at)
    await say(at + timedelta(days=7))
    await eventually(lambda: calendar.count(STANDS, patient), equals=1)
    assert await calendar.count("appointments where patient_id = $1", patient) == 2


async def test_no_course_is_planned_while_revocations_could_not_be_heard(calendar: Calendar) -> None:
    patient = await calendar.patient()
    approval = await calendar.approve(patient, days=6)
    of_it = "courses where approval_id = $1 and "
    await eventually(lambda: calendar.count(of_it + "state = 'infeasible'", approval), equals=1)
    service = calendar.scheduling.service
    assert service.consumer is not None
    async with calendar.world.connection("scheduling") as conn:
        await conn.execute(
            "update approvals set valid_until = valid_until + interval '80 days' where approval_id = $1", approval
        )
    await service.consumer.stop()
    try:
        assert (await calendar.post(f"/api/v1/approvals/{approval}/plan")).status_code == 202
        await eventually(lambda: calendar.count(of_it + "(state <> 'pending' or next_try > now())", approval), equals=1)
        assert await calendar.count(of_it + "state = 'pending'", approval) == 1
    finally:
        await service.consumer.start()
    async with calendar.world.connection("scheduling") as conn:
        await conn.execute("update courses set next_try = now()")
    await eventually(lambda: calendar.count(of_it + "state = 'planned'", approval), equals=1)


async def test_a_course_that_is_planned_during_a_merge_leaves_room_for_what_the_other_had(
    calendar: Calendar, monkeypatch: pytest.MonkeyPatch
) -> None:
    absorbed, survivor = await calendar.patients(2)
    thought: list[datetime] = []
    merged = threading.Event()

    def slowly(*arguments: Any) -> Any:
        outcome = plan(*arguments)
        if not merged.is_set() and isinstance(outcome, Plan):
            thought.append(outcome.slots[0].at.starts_at)
            merged.wait(30)
        return outcome

    monkeypatch.setattr(jobs, "plan", slowly)
    try:
        await calendar.approve(absorbed, sessions=4)
        await eventually(lambda: len(thought), equals=1)
        async with calendar.world.connection("scheduling") as conn:
            talk = uuid4()
            await conn.execute(TALK, talk, survivor, thought[0], thought[0] + timedelta(hours=1))
            await conn.execute(HELD, f"patient:{survivor}", thought[0], thought[0] + timedelta(hours=1), talk)
        said = LeadMerged(patient_id=survivor, absorbed_id=absorbed, reason="same-person")
        await calendar.say("intake", said)
        await eventually(lambda: calendar.count("patients where merged_into is not null"), equals=1)
    finally:
        merged.set()
    await eventually(lambda: calendar.count(STANDS, absorbed), equals=4)
    then = "appointments where patient_id = $1 and starts_at < $3 and ends_at > $2"
    assert await calendar.count(then, absorbed, thought[0], thought[0] + timedelta(hours=1)) == 0


TALK = """
insert into appointments (appointment_id, patient_id, kind, state, starts_at, ends_at, zone, provider_id, mode,
    booked_by, policy_hash)
values ($1, $2, 'consultation', 'booked', $3, $4, 'America/Denver', 'lang', 'phone', 'staff', '')
"""
HELD = "insert into bookings (resource, during, appointment_id) values ($1, tstzrange($2, $3), $4)"


async def test_a_refusal_names_the_field_and_what_is_really_in_the_way(calendar: Calendar) -> None:
    begins = (calendar.now + timedelta(days=30)).replace(second=0, microsecond=0)

    async def refused(person: str, starts_at: datetime) -> str:
        ends_at = starts_at + timedelta(hours=1)
        body = {"person_id": person, "starts_at": starts_at.isoformat(), "ends_at": ends_at.isoformat()}
        answer = await calendar.post("/api/v1/absences", body)
        assert answer.status_code == 422
        named: str = answer.json()["fields"][0]["name"]
        return named

    assert await refused("nobody", begins) == "person_id"
    assert await refused("osei", begins - timedelta(days=60)) == "ends_at"

    patient = await calendar.patient()
    offers = await calendar.offers(mode="video", days=14)
    at = next(one["starts_at"] for one in offers if {"osei", "rios"} <= set(one["provider_ids"]))
    mode = await calendar.book(patient, at, mode="phone", expect=422)
    assert mode["fields"][0]["name"] == "mode"
    await calendar.book(patient, at, provider_id="osei")
    twice = await calendar.book(patient, at, expect=409)
    assert twice["detail"].endswith(": the patient.")


async def test_the_medicine_is_not_given_on_another_day_than_the_patient_came(calendar: Calendar) -> None:
    patient = await calendar.patient()
    session = (await calendar.course(patient))[0]
    async with calendar.world.connection("scheduling") as conn:
        await conn.execute("update appointments set state = 'checked-in' where appointment_id = $1", session["id"])
        await conn.execute(
            "insert into session_days (appointment_id, checked_in_at) values ($1, $2)",
            session["id"],
            datetime.fromisoformat(session["starts_at"]),
        )
    await calendar.later(datetime.fromisoformat(session["starts_at"]) + timedelta(days=1))
    refused = await calendar.change(session["id"], "dose", 409, person="osei")
    assert refused["code"] == "not_today"
