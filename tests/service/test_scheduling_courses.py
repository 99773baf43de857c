"""Courses: an approval becomes booked sessions, and what is ahead ends with it. Answers complaints 2 and 3."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from shared.contracts.assessment import ApprovalExpired, ApprovalRevoked, Route, SafetyConcernRaised
from shared.contracts.intake import LeadMerged, PatientErased
from shared.contracts.notifications import TransportConfirmed, TransportMissing
from shared.ids import new_id
from tests.support.scheduling import Calendar, calendar_of
from tests.support.waiting import eventually
from tests.support.world import World

BOOKINGS = "bookings join appointments using (appointment_id) where patient_id = $1"
REVOKED = "approvals where approval_id = $1 and state = 'revoked'"
WAITING = "insert into parked (source, subject, sequence, reason, headers, body) values (2, $1, 99, 'gap', '{}', '')"
INFEASIBLE = "courses where approval_id = $1 and state = 'infeasible'"


@pytest.fixture(scope="module")
async def calendar(world: World) -> AsyncIterator[Calendar]:
    async with calendar_of(world) as made:
        yield made


def starts(sessions: list[dict[str, Any]]) -> list[datetime]:
    return [datetime.fromisoformat(one["starts_at"]) for one in sessions]


@pytest.mark.parametrize("route", list(Route))
async def test_an_approval_becomes_six_sessions_with_room_monitor_and_prescriber(
    calendar: Calendar, route: Route
) -> None:
    patient = await calendar.patient()
    sessions = await calendar.course(patient, route=route)
    assert [one["session"]["number"] for one in sessions] == [1, 2, 3, 4, 5, 6]
    assert all(one["room_id"] and one["monitor_id"] and one["provider_id"] == "osei" for one in sessions)
    assert all(timedelta(hours=48) <= b - a <= timedelta(days=7) for a, b in pairwise(starts(sessions)))
    events = await calendar.log(patient)
    assert [name for name, _ in events] == ["SessionScheduled"] * 6
    assert {event["route"] for _, event in events} == {route.value}
    taken = await calendar.count(BOOKINGS, patient)
    assert taken == 6 * 4, "room, monitor, prescriber and patient, each once"


async def test_courses_that_arrive_together_never_share_anything(calendar: Calendar) -> None:
    patients = await calendar.patients(8)
    for patient in patients:
        await calendar.approve(patient)
    for patient in patients:
        await eventually(partial(calendar.count, "appointments where patient_id = $1", patient), equals=6)
    overlaps = await calendar.count(
        "bookings a join bookings b on a.resource = b.resource and a.during && b.during and a.ctid <> b.ctid"
    )
    assert overlaps == 0


async def test_two_processes_plan_each_course_once(calendar: Calendar) -> None:
    async with calendar.world.start("scheduling"):
        patients = await calendar.patients(4)
        for patient in patients:
            await calendar.approve(patient, sessions=4)
        for patient in patients:
            await eventually(partial(calendar.names, patient), equals=["SessionScheduled"] * 4)
    assert await calendar.count("appointments where patient_id = any($1)", patients) == 16


async def test_a_revoked_approval_cancels_what_is_ahead(calendar: Calendar) -> None:
    patient = await calendar.patient()
    sessions = await calendar.course(patient)
    approval = sessions[0]["session"]["approval_id"]
    await calendar.say(
        "assessment",
        ApprovalRevoked(patient_id=patient, approval_id=approval, reason="medication", revoked_at=calendar.now),
    )
    await eventually(
        lambda: calendar.count("appointments where patient_id = $1 and state = 'cancelled'", patient), equals=6
    )
    assert (await calendar.names(patient))[6:] == ["AppointmentCancelled"] * 6
    assert {event["reason"] for _, event in (await calendar.log(patient))[6:]} == {"approval-revoked"}
    assert await calendar.count(BOOKINGS, patient) == 0
    moved = await calendar.change(
        sessions[3]["id"], "reschedule", expect=409, starts_at=sessions[4]["starts_at"], reason="patient"
    )
    assert moved["code"] in {"no_approval", "not_possible"}


async def test_a_second_approval_replaces_the_first(calendar: Calendar) -> None:
    patient = await calendar.patient()
    await calendar.course(patient)
    await calendar.approve(patient, sessions=4, route=Route.LOZENGE)
    booked = "appointments where patient_id = $1 and state = 'booked'"
    await eventually(lambda: calendar.count(booked + " and route = 'lozenge'", patient), equals=4)
    assert await calendar.count(booked, patient) == 4


async def test_an_older_approval_that_is_heard_of_late_replaces_nothing(calendar: Calendar) -> None:
    """Two records of one person lie in two partitions, so the later signature may be read first."""
    patient, absorbed = await calendar.patients(2)
    await calendar.course(patient, sessions=4)
    merged = LeadMerged(patient_id=patient, absorbed_id=absorbed, reason="same-person")
    await calendar.say("intake", merged)
    await eventually(lambda: calendar.count("patients where merged_into = $1", patient), equals=1)
    older = await calendar.approve(absorbed, ago=timedelta(days=1))
    ended = "approvals join courses using (approval_id) where approval_id = $1 and (approvals.state, courses.state)"
    await eventually(lambda: calendar.count(f"{ended} = ('superseded', 'stopped')", older), equals=1)
    assert await calendar.count("appointments where patient_id = $1 and state = 'booked'", patient) == 4
    assert await calendar.count("appointments where patient_id = $1", absorbed) == 0


async def test_an_approval_may_be_heard_of_before_the_patient(calendar: Calendar) -> None:
    """Topics have no order among each other: the approval waits for LeadCreated and is then applied."""
    patient = new_id()
    await calendar.approve(patient)
    await eventually(lambda: calendar.count("parked where subject = $1", patient), equals=1)
    await calendar.patients(1, patient)
    await eventually(lambda: calendar.count("appointments where patient_id = $1", patient), equals=6)


async def test_a_revocation_that_is_read_with_its_approval_leaves_nothing_booked(calendar: Calendar) -> None:
    patient = await calendar.patient()
    approval = await calendar.approve(patient)
    await calendar.say(
        "assessment",
        ApprovalRevoked(patient_id=patient, approval_id=approval, reason="pregnancy", revoked_at=calendar.now),
    )
    await eventually(
        lambda: calendar.count("approvals where approval_id = $1 and state = 'revoked'", approval), equals=1
    )
    assert await calendar.count("courses where approval_id = $1 and state = 'stopped'", approval) == 1
    assert await calendar.count("appointments where patient_id = $1 and state <> 'cancelled'", patient) == 0


async def test_no_plan_is_said_with_its_reason_and_becomes_a_task(calendar: Calendar) -> None:
    patient = await calendar.patient()
    approval = await calendar.approve(patient, days=6)
    await eventually(
        lambda: calendar.count("courses where approval_id = $1 and state = 'infeasible'", approval), equals=1
    )
    log = dict(await calendar.log(patient))
    assert log["CoursePlanInfeasible"]["reasons"] == ["approval-too-short"]
    tasks = (await calendar.get("/api/v1/tasks"))["tasks"]
    (task,) = [one for one in tasks if one["patient_id"] == str(patient)]
    assert (task["kind"], task["role"]) == ("plan-course", "front_desk")
    assert "runs out too soon" in task["detail"]
    answer = await calendar.post(f"/api/v1/approvals/{approval}/plan")
    assert answer.status_code == 202
    await eventually(
        lambda: calendar.count("courses where approval_id = $1 and state = 'infeasible'", approval), equals=1
    )
    await calendar.say("assessment", ApprovalExpired(patient_id=patient, approval_id=approval, expired_at=calendar.now))
    await eventually(lambda: calendar.count("tasks where subject = $1 and closed_at is null", patient), equals=0)
    assert (await calendar.post(f"/api/v1/approvals/{approval}/plan")).status_code == 404


async def test_a_session_moves_alone_and_keeps_its_distance(calendar: Calendar) -> None:
    """Complaint 3: a reschedule moves what must move, and is checked against its neighbours."""
    patient = await calendar.patient()
    sessions = await calendar.course(patient)
    middle, free = await calendar.some_that_can_move(sessions[1:-1])
    before = middle["session"]["number"] - 1
    close = datetime.fromisoformat(sessions[before - 1]["starts_at"]) + timedelta(hours=24)
    refused = await calendar.change(
        middle["id"], "reschedule", expect=422, starts_at=close.isoformat(), reason="patient"
    )
    assert refused["code"] == "too_close"
    assert f"session {before}" in refused["fields"][0]["message"]
    moved = await calendar.change(middle["id"], "reschedule", starts_at=free, reason="patient")
    assert moved["session"]["number"] == before + 1
    after = await calendar.sessions(patient)
    assert [one["id"] for one in sorted(after, key=lambda one: one["session"]["number"])] == [
        one["id"] for one in sessions
    ]
    others = [one["starts_at"] for one in after if one["id"] != middle["id"]]
    assert others == [one["starts_at"] for one in sessions if one["id"] != middle["id"]]


async def test_a_longer_gap_needs_a_providers_reason_and_is_kept(calendar: Calendar) -> None:
    patient = await calendar.patient()
    sessions = await calendar.course(patient)
    last, before = sessions[5], datetime.fromisoformat(sessions[4]["starts_at"])
    late = next(
        moment
        for moment in (before + timedelta(days=ahead) for ahead in range(8, 14))
        if calendar.clinic.hours.is_open(moment) and calendar.clinic.hours.is_open(moment + timedelta(hours=3.5))
    )
    body: dict[str, Any] = {"starts_at": late.isoformat(), "reason": "illness"}
    assert (await calendar.change(last["id"], "reschedule", expect=422, **body))["code"] == "too_far"
    override = {**body, "override": "Flu; seen yesterday, fit to go on."}
    await calendar.change(last["id"], "reschedule", expect=403, **override)
    await calendar.change(last["id"], "reschedule", person="osei", **override)
    assert await calendar.count("audit where action = 'override' and subject = $1", patient) == 1


async def test_a_providers_reason_for_a_longer_gap_never_lets_two_sessions_come_closer(calendar: Calendar) -> None:
    """Complaint 3: too far from the one before, and at the same time too close to the one after."""
    patient = await calendar.patient()
    sessions = await calendar.course(patient)
    await calendar.change(sessions[2]["id"], "cancel", reason="illness")
    override = {"reason": "illness", "override": "Flu; fit to go on."}
    fifth = datetime.fromisoformat(sessions[4]["starts_at"])
    for late in (fifth - timedelta(hours=24), fifth + timedelta(hours=24)):
        body = {"starts_at": late.isoformat(), **override}
        refused = await calendar.change(sessions[3]["id"], "reschedule", expect=422, person="osei", **body)
        assert refused["code"] == "too_close"
        assert "session 5" in refused["fields"][0]["message"]
    assert await calendar.count("audit where action = 'override' and subject = $1", patient) == 0


async def test_nothing_is_booked_while_something_said_of_the_patient_waits(calendar: Calendar) -> None:
    """Gates fail closed: a revocation may be among what was not applied yet."""
    patient = await calendar.patient()
    first, *_ = await calendar.course(patient)
    later = (datetime.fromisoformat(first["starts_at"]) + timedelta(minutes=30)).isoformat()
    async with calendar.world.connection("scheduling") as conn:
        await conn.execute(WAITING, patient)
        refused = await calendar.change(first["id"], "reschedule", expect=503, starts_at=later, reason="patient")
        assert refused["code"] == "facts_behind"
        await conn.execute("delete from parked where subject = $1", patient)


async def test_no_ride_holds_a_session_and_a_ride_releases_it(calendar: Calendar) -> None:
    patient = await calendar.patient()
    first = (await calendar.course(patient))[0]
    begins = datetime.fromisoformat(first["starts_at"])
    missing = TransportMissing(
        patient_id=patient, appointment_id=first["id"], starts_at=begins, cut_off_at=begins - timedelta(hours=12)
    )
    await calendar.say("notifications", missing.model_copy(update={"starts_at": begins - timedelta(days=1)}), missing)
    await eventually(lambda: calendar.state(first["id"]), equals="held")
    await calendar.say(
        "notifications",
        TransportConfirmed(patient_id=patient, appointment_id=first["id"], by="patient", confirmed_at=calendar.now),
    )
    await eventually(lambda: calendar.state(first["id"]), equals="booked")


async def test_nothing_is_ahead_for_somebody_who_was_erased(calendar: Calendar) -> None:
    patient = await calendar.patient()
    await calendar.course(patient)
    await calendar.say("intake", PatientErased(patient_id=patient, requested_at=calendar.now))
    await eventually(
        lambda: calendar.count("appointments where patient_id = $1 and state = 'cancelled'", patient), equals=6
    )


async def test_a_gap_that_a_lost_session_leaves_is_looked_at(calendar: Calendar) -> None:
    """Complaint 3: a series is not checked only at its start."""
    patient = await calendar.patient()
    sessions = await calendar.course(patient)
    asked = "tasks where kind = 'course-gap' and subject = $1 and closed_at is null"

    async def lose(index: int) -> list[dict[str, Any]]:
        await calendar.change(sessions[index]["id"], "cancel", reason="illness")
        tasks = (await calendar.get("/api/v1/tasks"))["tasks"]
        return [one for one in tasks if (one["patient_id"], one["kind"]) == (str(patient), "course-gap")]

    at, week = starts(sessions), timedelta(days=calendar.clinic.course.gap_max_days)
    last = next(index for index in range(2, 5) if at[index + 1] - at[1] > week)
    for index in range(2, last):
        assert await lose(index) == []
    (task,) = await lose(last)
    assert task["role"] == "front_desk"
    assert f"sessions 2 and {last + 2} lie" in task["detail"]
    after, first = sessions[last + 1], (at[1] + timedelta(days=3)).date().isoformat()
    offers = await calendar.offers(kind="session", appointment_id=after["id"], days=6, **{"from": first})
    closer = [one["starts_at"] for one in offers if datetime.fromisoformat(one["starts_at"]) <= at[1] + week]
    await calendar.change(after["id"], "reschedule", starts_at=closer[-1], reason="clinic")
    assert await calendar.count(asked, patient) == 0


async def test_who_did_not_come_is_asked_after_the_same_day(calendar: Calendar) -> None:
    patient = await calendar.patient()
    first = (await calendar.course(patient))[0]
    early = await calendar.change(first["id"], "no-show", expect=409)
    assert early["code"] == "not_begun"
    begins = datetime.fromisoformat(first["starts_at"])
    await calendar.later(begins + timedelta(minutes=20))
    missed = await calendar.change(first["id"], "no-show", person="tran")
    assert missed["state"] == "no-show"
    assert (await calendar.names(patient))[-2:] == ["AppointmentNoShow", "TaskRaised"]
    (task,) = [one for one in (await calendar.get("/api/v1/tasks"))["tasks"] if one["patient_id"] == str(patient)]
    assert task["role"] == "front_desk"
    assert datetime.fromisoformat(task["deadline"]).date() >= begins.date()


async def test_who_did_not_come_and_may_be_in_danger_is_called_by_a_clinician(calendar: Calendar) -> None:
    patient = await calendar.patient()
    first = (await calendar.course(patient))[0]
    worry = SafetyConcernRaised(
        patient_id=patient, concern_id=new_id(), kind="cssrs", level="moderate", raised_at=calendar.now
    )
    await calendar.say("assessment", worry)
    await eventually(lambda: calendar.count("concerns where patient_id = $1", patient), equals=1)
    closed = datetime.fromisoformat(first["starts_at"]).replace(hour=22)
    await calendar.later(closed)
    await calendar.change(first["id"], "no-show", person="tran")
    (task,) = [one for one in (await calendar.get("/api/v1/tasks"))["tasks"] if one["patient_id"] == str(patient)]
    assert (task["kind"], task["role"]) == ("no-show-in-danger", "provider")
    assert datetime.fromisoformat(task["deadline"]) >= closed, "also when it is noted after hours"


@pytest.mark.parametrize("route", list(Route))
async def test_both_routes_have_their_own_phases_and_staff_move_and_cancel_their_sessions(
    calendar: Calendar, route: Route
) -> None:
    patient = await calendar.patient()
    sessions = await calendar.course(patient, route=route)
    kind = calendar.clinic.appointments.session[route.value]
    for one in sessions:
        begins, ends = (datetime.fromisoformat(one[name]) for name in ("starts_at", "ends_at"))
        dose, until = (datetime.fromisoformat(one["session"][name]) for name in ("dose_at", "room_until"))
        assert dose - begins == timedelta(minutes=kind.check_in)
        assert ends - dose == timedelta(minutes=kind.observation + kind.discharge)
        assert until - begins == timedelta(minutes=kind.block)
    last = sessions[-1]
    offers = await calendar.offers(
        kind="session", appointment_id=last["id"], days=7, **{"from": last["starts_at"][:10]}
    )
    free = next(one for one in offers if one["starts_at"] != last["starts_at"])
    moved = await calendar.change(last["id"], "reschedule", starts_at=free["starts_at"], reason="patient")
    length = datetime.fromisoformat(moved["session"]["room_until"]) - datetime.fromisoformat(moved["starts_at"])
    assert length == timedelta(minutes=kind.block)
    await calendar.change(last["id"], "cancel", reason="illness")
    assert (await calendar.names(patient))[6:] == ["AppointmentRescheduled", "AppointmentCancelled"]
    assert await calendar.count("bookings where appointment_id = $1", last["id"]) == 0
