"""What another system booked over something of ours: once that is gone, the time is taken. Answers complaint 1."""

import itertools
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from shared.contracts.intake import ExternalBookingReceived, LeadMerged, LeadUnmerged
from tests.support.scheduling import Calendar, calendar_of
from tests.support.waiting import eventually
from tests.support.world import World

NAMES = itertools.count(1)
CONFLICTS = "tasks where kind = 'calendar-conflict' and subject = $1 and closed_at is null"
TAKEN = "bookings b join appointments a using (appointment_id) where b.resource = $1 and a.patient_id = $2"


@pytest.fixture(scope="module")
async def calendar(world: World) -> AsyncIterator[Calendar]:
    async with calendar_of(world) as made:
        yield made


async def free(calendar: Calendar) -> datetime:
    """A time at which Dr Osei is free, with nothing near it."""
    offers = await calendar.offers(mode="video", provider="osei", days=14)
    times = [datetime.fromisoformat(one["starts_at"]) for one in offers]
    hour = timedelta(hours=1)
    return next(one for one in times if one - 2 * hour in times and one + hour in times and one + 2 * hour in times)


async def theirs(
    calendar: Calendar, at: datetime, name: str = "", *, patient: UUID | None = None, status: str = "booked"
) -> tuple[UUID, str]:
    """Somebody whom the other system booked then, with Dr Osei."""
    patient, name = patient or await calendar.patient(), name or f"e-{next(NAMES)}"
    told = ExternalBookingReceived(
        patient_id=patient, vendor="vagaro", external_id=name, starts_at=at, ends_at=at + timedelta(hours=1),
        status=status, provider_ref="osei", changed_at=calendar.now,
    )  # fmt: skip
    await calendar.say("intake", told)
    return patient, name


async def clashing(calendar: Calendar, at: datetime) -> UUID:
    patient, _ = await theirs(calendar, at)
    await eventually(lambda: calendar.count(CONFLICTS, patient), equals=1)
    assert await calendar.count(TAKEN, "person:osei", patient) == 0
    return patient


async def stands_well(calendar: Calendar, patient: UUID, at: datetime) -> None:
    await eventually(lambda: calendar.count(TAKEN, "person:osei", patient), equals=1)
    await eventually(lambda: calendar.count(CONFLICTS, patient), equals=0)
    refused = await calendar.book(await calendar.patient(), at.isoformat(), provider_id="osei", expect=409)
    assert refused["taken"] == ["person:osei"]


@pytest.mark.parametrize("how", ["cancel", "reschedule"])
async def test_what_stood_in_the_way_goes_and_nobody_else_gets_that_time(calendar: Calendar, how: str) -> None:
    at = await free(calendar)
    ours = await calendar.book(await calendar.patient(), at.isoformat(), provider_id="osei")
    patient = await clashing(calendar, at)
    later = {"starts_at": (at + timedelta(hours=2)).isoformat()} if how == "reschedule" else {}
    await calendar.change(ours["id"], how, reason="clinic", **later)
    await stands_well(calendar, patient, at)


async def test_two_of_the_other_system_at_one_time_and_one_of_them_moves_there(calendar: Calendar) -> None:
    at = await free(calendar)
    first, name = await theirs(calendar, at)
    await eventually(lambda: calendar.count(TAKEN, "person:osei", first), equals=1)
    second = await clashing(calendar, at)
    await theirs(calendar, at + timedelta(hours=2), name, patient=first)
    await stands_well(calendar, second, at)


async def test_who_was_away_is_here_again_for_what_was_booked_meanwhile(calendar: Calendar) -> None:
    at = await free(calendar)
    body = {"person_id": "osei", "starts_at": at.isoformat(), "ends_at": (at + timedelta(hours=1)).isoformat()}
    away = (await calendar.post("/api/v1/absences", body)).json()["id"]
    patient = await clashing(calendar, at)
    http, headers = calendar.scheduling.http, calendar.scheduling.as_staff("dana")
    assert (await http.delete(f"/api/v1/absences/{away}", headers=headers)).status_code == 204
    await stands_well(calendar, patient, at)


async def test_a_room_that_is_free_again_is_theirs(calendar: Calendar) -> None:
    offers = await calendar.offers(mode="in_person", days=14)
    at = next(one["starts_at"] for one in offers if {"osei", "rios"} <= set(one["provider_ids"]))
    ours = await calendar.book(await calendar.patient(), at, mode="in_person", provider_id="rios")
    patient, _ = await theirs(calendar, datetime.fromisoformat(at))
    await eventually(lambda: calendar.count(CONFLICTS, patient), equals=1)
    await calendar.change(ours["id"], "cancel", reason="clinic")
    assert await calendar.count(TAKEN, f"room:{ours['room_id']}", patient) == 1
    assert await calendar.count(CONFLICTS, patient) == 0
    said = dict(await calendar.log(patient))["AppointmentRescheduled"]
    assert (said["room_id"], said["starts_at"]) == (ours["room_id"], said["was_at"])


async def test_two_people_who_were_one_for_a_while_are_not_in_each_others_way(calendar: Calendar) -> None:
    survivor, absorbed = await calendar.patients(2)
    at = await free(calendar)
    both = {"patient_id": survivor, "absorbed_id": absorbed}
    merged = "patients where merged_into = $1"
    await calendar.say("intake", LeadMerged(**both, reason="same-person"))
    await eventually(lambda: calendar.count(merged, survivor), equals=1)
    await calendar.book(survivor, at.isoformat(), provider_id="osei")
    twice = await calendar.book(absorbed, at.isoformat(), provider_id="rios", expect=409)
    assert twice["detail"].endswith("the patient.")
    await calendar.say("intake", LeadUnmerged(**both, reason="two-people"))
    await eventually(lambda: calendar.count(merged, survivor), equals=0)
    await calendar.book(absorbed, at.isoformat(), provider_id="rios")
    await calendar.book(survivor, at.isoformat(), provider_id="rios", expect=409)


async def test_who_was_merged_into_a_third_since_stays_so_whichever_is_heard_first(calendar: Calendar) -> None:
    wrong, right, absorbed, other = await calendar.patients(4)
    merged = "patients where merged_into = $1"
    await calendar.say("intake", LeadMerged(patient_id=wrong, absorbed_id=absorbed, reason="same-person"))
    await eventually(lambda: calendar.count(merged, wrong), equals=1)
    await calendar.say("intake", LeadMerged(patient_id=right, absorbed_id=absorbed, reason="same-person"))
    await eventually(lambda: calendar.count(merged, right), equals=1)
    await calendar.say("intake", LeadUnmerged(patient_id=wrong, absorbed_id=absorbed, reason="two-people"))
    await calendar.say("intake", LeadMerged(patient_id=wrong, absorbed_id=other, reason="same-person"))
    await eventually(lambda: calendar.count(merged, wrong), equals=1)
    assert await calendar.count(merged, right) == 1


@pytest.mark.parametrize("how", ["moved", "unmerged"])
async def test_an_overlap_after_a_merge_is_asked_about_while_there_is_one(calendar: Calendar, how: str) -> None:
    survivor, absorbed = await calendar.patients(2)
    at = await free(calendar)
    await calendar.book(survivor, at.isoformat(), provider_id="osei")
    second = await calendar.book(absorbed, at.isoformat(), provider_id="rios")
    both = {"patient_id": survivor, "absorbed_id": absorbed}
    asked = "tasks where kind = 'overlap-after-merge' and subject = $1 and closed_at is null"
    await calendar.say("intake", LeadMerged(**both, reason="same-person"))
    await eventually(lambda: calendar.count(asked, survivor), equals=1)
    if how == "moved":
        later = (at + timedelta(hours=2)).isoformat()
        await calendar.change(second["id"], "reschedule", starts_at=later, reason="clinic")
    else:
        await calendar.say("intake", LeadUnmerged(**both, reason="two-people"))
    await eventually(lambda: calendar.count(asked, survivor), equals=0)


async def test_what_was_booked_there_for_the_wrong_person_stands_for_the_right_one(calendar: Calendar) -> None:
    at = await free(calendar)
    wrong, name = await theirs(calendar, at)
    await eventually(lambda: calendar.count(TAKEN, "person:osei", wrong), equals=1)
    right, _ = await theirs(calendar, at, name, patient=await calendar.patient())
    await eventually(lambda: calendar.count(TAKEN, "person:osei", right), equals=1)
    assert (await calendar.names(wrong))[-1] == "AppointmentCancelled"
    assert await calendar.count(CONFLICTS, right) == 0


@pytest.mark.parametrize("how", ["cancel", "reschedule"])
async def test_what_is_changed_here_is_to_be_changed_there_until_they_say_so(calendar: Calendar, how: str) -> None:
    at = await free(calendar)
    later = at + timedelta(hours=2)
    patient, name = await theirs(calendar, at)
    await eventually(lambda: calendar.count(TAKEN, "person:osei", patient), equals=1)
    (found,) = (await calendar.get(f"/api/v1/patients/{patient}/appointments"))["appointments"]
    moved = {"starts_at": later.isoformat()} if how == "reschedule" else {}
    await calendar.change(found["id"], how, reason="patient", **moved)
    (task,) = [one for one in (await calendar.get("/api/v1/tasks"))["tasks"] if one["patient_id"] == str(patient)]
    assert (task["kind"], task["role"]) == ("change-elsewhere", "front_desk")
    assert f"Vagaro still has {at.astimezone(calendar.clinic.tz):%A %d %B, %H:%M}, with Dr Amara Osei" in task["detail"]
    assert datetime.fromisoformat(task["deadline"]) == at
    if how == "cancel":
        await theirs(calendar, at, name, patient=patient, status="cancelled")
    else:
        await theirs(calendar, later, name, patient=patient)
    await eventually(lambda: calendar.count("tasks where subject = $1 and closed_at is null", patient), equals=0)
    assert (await calendar.names(patient)).count("AppointmentRescheduled") == (how == "reschedule")
