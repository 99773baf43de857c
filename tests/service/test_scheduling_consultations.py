"""Consultations over HTTP: offered, booked once, moved, cancelled. Answers complaints 1, 2 and 10."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import httpx
import pytest

from shared.contracts.intake import ExternalBusyChanged, LeadMerged
from shared.ids import new_id
from tests.support.scheduling import Calendar, calendar_of
from tests.support.waiting import eventually
from tests.support.world import World

ATTEMPTS = 1_000
CONFLICT = "tasks where kind = 'calendar-conflict' and subject = $1"


@pytest.fixture(scope="module")
async def calendar(world: World) -> AsyncIterator[Calendar]:
    async with calendar_of(world) as made:
        yield made


async def test_an_offered_time_is_booked_and_said_to_everybody(calendar: Calendar) -> None:
    patient = await calendar.patient()
    offer = (await calendar.offers(mode="in_person"))[0]
    booked = await calendar.book(patient, offer["starts_at"], mode="in_person", provider_id=offer["provider_ids"][0])
    assert (booked["starts_at"], booked["room_id"]) == (offer["starts_at"], "room-1")
    (name, event), *_ = await calendar.log(patient)
    assert name == "ConsultationScheduled"
    assert event["appointment_id"] == booked["id"]
    assert await calendar.count("bookings where appointment_id = $1", booked["id"]) == 3, "provider, room, patient"
    again = await calendar.offers(mode="in_person")
    assert offer["starts_at"] not in {one["starts_at"] for one in again}, "the only room for talks is taken"


async def test_a_taken_time_names_who_is_taken_and_when_else(calendar: Calendar) -> None:
    first, second = await calendar.patients(2)
    offer = (await calendar.offers(mode="video", provider="osei"))[0]
    await calendar.book(first, offer["starts_at"], provider_id="osei")
    refused = await calendar.book(second, offer["starts_at"], provider_id="osei", expect=409)
    assert refused["taken"] == ["person:osei"]
    assert "Dr Amara Osei" in refused["detail"]
    assert len(refused["next"]) == 3
    await calendar.book(second, refused["next"][0], provider_id="osei")


async def test_a_thousand_attempts_at_one_time_have_one_winner(calendar: Calendar) -> None:
    """Complaint 1: exactly one booking, everybody else hears "taken", nobody a deadlock or an error."""
    patients = await calendar.patients(250)
    offer = (await calendar.offers(mode="video", provider="rios", days=14))[-1]
    headers = calendar.scheduling.as_staff("dana")
    deadlocks = await calendar.deadlocks()

    async with httpx.AsyncClient(
        base_url=calendar.scheduling.url, headers=headers, timeout=60, limits=httpx.Limits(max_connections=32)
    ) as http:

        async def attempt(number: int) -> int:
            patient = patients[number % len(patients)]
            body = {"patient_id": str(patient), "starts_at": offer["starts_at"], "mode": "video", "provider_id": "rios"}
            async with slots:
                return (await http.post("/api/v1/consultations", json=body)).status_code

        slots = asyncio.Semaphore(32)
        answers = Counter(await asyncio.gather(*(attempt(number) for number in range(ATTEMPTS))))
    assert answers == {201: 1, 409: ATTEMPTS - 1}
    winners = await calendar.count("appointments where starts_at = $1::text::timestamptz", offer["starts_at"])
    assert winners == 1
    assert await calendar.deadlocks() == deadlocks


async def test_whoever_is_free_is_found_until_nobody_is(calendar: Calendar) -> None:
    """Without a provider named, racing requests end with everybody who was free, and then with "taken"."""
    patients = await calendar.patients(8)
    offer = next(one for one in await calendar.offers(mode="video", days=14) if len(one["provider_ids"]) == 2)
    body = {"starts_at": offer["starts_at"], "mode": "video"}
    answers = await asyncio.gather(
        *(calendar.post("/api/v1/consultations", {**body, "patient_id": str(patient)}) for patient in patients)
    )
    assert Counter(answer.status_code for answer in answers) == {201: 2, 409: 6}
    won = {answer.json()["provider_id"] for answer in answers if answer.status_code == 201}
    assert won == {"osei", "rios"}


async def test_a_key_makes_a_repetition_harmless(calendar: Calendar) -> None:
    patient = await calendar.patient()
    offer = (await calendar.offers(mode="video"))[0]
    body = {"patient_id": str(patient), "starts_at": offer["starts_at"], "mode": "video"}
    key = {"Idempotency-Key": uuid4().hex}
    answers = await asyncio.gather(*(calendar.post("/api/v1/consultations", body, **key) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    other = await calendar.post("/api/v1/consultations", {**body, "mode": "in_person"}, **key)
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")


async def test_nobody_is_in_two_appointments_at_once(calendar: Calendar) -> None:
    patient, other = await calendar.patients(2)
    offers = [one for one in await calendar.offers(mode="video", days=14) if len(one["provider_ids"]) == 2]
    starts_at = offers[0]["starts_at"]
    await calendar.book(patient, starts_at, provider_id="osei")
    refused = await calendar.book(patient, starts_at, provider_id="rios", expect=409)
    assert refused["taken"] == []
    assert "patient" in refused["detail"]
    await calendar.say("intake", LeadMerged(patient_id=patient, absorbed_id=other, reason="same-phone"))
    await eventually(lambda: calendar.count("patients where merged_into = $1", patient), equals=1)
    await calendar.book(other, starts_at, provider_id="rios", expect=409)


async def test_a_cancelled_time_is_free_again_and_nothing_is_cancelled_twice(calendar: Calendar) -> None:
    patient = await calendar.patient()
    offer = (await calendar.offers(mode="video", provider="osei"))[0]
    booked = await calendar.book(patient, offer["starts_at"], provider_id="osei")
    cancelled = await calendar.change(booked["id"], "cancel", reason="patient", note="Has a cold")
    assert cancelled["state"] == "cancelled"
    assert offer["starts_at"] in {one["starts_at"] for one in await calendar.offers(mode="video", provider="osei")}
    refused = await calendar.change(booked["id"], "cancel", expect=409, reason="patient")
    assert "cancelled already" in refused["detail"]
    name, event = (await calendar.log(patient))[-1]
    assert (name, event["reason"]) == ("AppointmentCancelled", "patient")
    assert "cold" not in str(event), "a note travels sealed"


async def test_a_move_keeps_the_appointment_and_frees_the_old_time(calendar: Calendar) -> None:
    patient = await calendar.patient()
    offers = await calendar.offers(mode="video", provider="rios")
    booked = await calendar.book(patient, offers[0]["starts_at"], provider_id="rios")
    # Half an hour later: its own booking must not stand in its way.
    later = await calendar.offers(kind="consultation", provider="rios", appointment_id=booked["id"])
    moved = await calendar.change(booked["id"], "reschedule", starts_at=later[1]["starts_at"], reason="patient")
    assert (moved["id"], moved["revision"], moved["starts_at"]) == (booked["id"], 1, later[1]["starts_at"])
    name, event = (await calendar.log(patient))[-1]
    assert (name, event["revision"]) == ("AppointmentRescheduled", 1)
    same = await calendar.change(
        booked["id"], "reschedule", expect=422, starts_at=later[1]["starts_at"], reason="patient"
    )
    assert same["code"] == "unchanged"


async def test_two_that_swap_their_times_both_end_somewhere(calendar: Calendar) -> None:
    """Each gives its time back in the transaction in which it wants the other's: a deadlock that is tried again."""
    first, second = await calendar.patients(2)
    times = [one["starts_at"] for one in await calendar.offers(mode="video", provider="osei", days=14)][-6::3]
    a = await calendar.book(first, times[0], provider_id="osei")
    b = await calendar.book(second, times[1], provider_id="osei")
    answers = await asyncio.gather(
        calendar.post(f"/api/v1/appointments/{a['id']}/reschedule", {"starts_at": times[1], "reason": "patient"}),
        calendar.post(f"/api/v1/appointments/{b['id']}/reschedule", {"starts_at": times[0], "reason": "patient"}),
    )
    assert {answer.status_code for answer in answers} <= {200, 409}
    for one in (a, b):
        assert await calendar.count("bookings where appointment_id = $1", one["id"]) == 2


async def test_somebody_busy_elsewhere_is_not_offered_and_what_stands_is_told(calendar: Calendar) -> None:
    patient = await calendar.patient()
    offer = next(one for one in await calendar.offers(mode="video", days=14) if "rios" in one["provider_ids"])
    booked = await calendar.book(patient, offer["starts_at"], provider_id="rios")
    busy = ExternalBusyChanged(
        busy_id=new_id(), vendor="vagaro", provider_ref="rios", starts_at=offer["starts_at"], ends_at=offer["ends_at"]
    )
    await calendar.say("intake", busy)
    await eventually(
        lambda: calendar.count("tasks where kind = 'calendar-conflict' and subject = $1", patient), equals=1
    )
    await calendar.change(booked["id"], "cancel", reason="clinic")
    assert offer["starts_at"] not in {one["starts_at"] for one in await calendar.offers(mode="video", provider="rios")}
    await calendar.book(patient, offer["starts_at"], provider_id="rios", expect=409)
    await calendar.say("intake", busy.model_copy(update={"removed": True}))
    await eventually(lambda: calendar.count("busy"), equals=0)
    await calendar.book(patient, offer["starts_at"], provider_id="rios")


async def test_a_conflict_goes_with_the_move_and_a_second_absence_is_told_again(calendar: Calendar) -> None:
    patient = await calendar.patient()
    first, second, third = [one["starts_at"] for one in await calendar.offers(mode="video", provider="rios", days=14)][
        -9::3
    ]
    booked = await calendar.book(patient, first, provider_id="rios")

    async def away(start: str, busy_id: UUID, *, removed: bool = False) -> None:
        begins = datetime.fromisoformat(start)
        busy = ExternalBusyChanged(
            busy_id=busy_id, vendor="vagaro", provider_ref="rios", starts_at=begins,
            ends_at=begins + timedelta(hours=1), removed=removed,
        )  # fmt: skip
        await calendar.say("intake", busy)

    conflicts = partial(calendar.count, f"{CONFLICT} and closed_at is null", patient)
    ill, away_too = new_id(), new_id()
    await away(first, ill)
    await eventually(conflicts, equals=1)
    await calendar.change(booked["id"], "reschedule", starts_at=second, reason="clinic")
    assert await conflicts() == 0
    await away(second, away_too)
    await eventually(conflicts, equals=1)
    await away(second, away_too)
    await away(third, away_too)
    await eventually(conflicts, equals=0)
    await away(second, ill)
    await eventually(conflicts, equals=1)
    await away(second, ill, removed=True)
    await eventually(conflicts, equals=0)
    await away(third, away_too, removed=True)
    await eventually(lambda: calendar.count("busy"), equals=0)
    await calendar.change(booked["id"], "cancel", reason="clinic")


async def test_a_calendar_of_somebody_unknown_is_a_task_for_operations(calendar: Calendar) -> None:
    begins = calendar.now + timedelta(days=3)
    busy = ExternalBusyChanged(
        busy_id=new_id(), vendor="vagaro", provider_ref="v-88", starts_at=begins, ends_at=begins + timedelta(hours=1)
    )
    await calendar.say("intake", busy)
    await eventually(lambda: calendar.count("tasks where kind = 'unknown-calendar'"), equals=1)
    (task,) = (await calendar.get("/api/v1/tasks", "ops", role="operations"))["tasks"]
    assert "v-88" in task["detail"]


@pytest.mark.parametrize(
    ("person", "status"), [("tran", 403), ("ops", 403), ("audit", 403), ("dana", 422), ("osei", 422)]
)
async def test_only_front_desk_and_providers_book(calendar: Calendar, person: str, status: int) -> None:
    answer = await calendar.post("/api/v1/consultations", {}, person)
    assert answer.status_code == status, answer.text


async def test_without_a_token_nothing_is_told(calendar: Calendar) -> None:
    for path in ("/api/v1/offers", f"/api/v1/patients/{uuid4()}/appointments", "/api/v1/days/2026-12-01"):
        assert (await calendar.scheduling.http.get(path)).status_code == 401


async def test_what_cannot_be_is_refused_by_name(calendar: Calendar) -> None:
    patient = await calendar.patient()
    soon = (calendar.now + timedelta(minutes=30)).replace(second=0, microsecond=0)
    assert (await calendar.book(patient, soon.isoformat(), expect=422))["code"] == "notice"
    night = (await calendar.offers())[0]["starts_at"][:11] + "03:00:00-07:00"
    assert (await calendar.book(patient, night, expect=422))["code"] == "closed"
    assert (await calendar.book(patient, night, mode="phone", expect=422))["code"] == "mode_not_offered"
    naive = await calendar.book(patient, night[:19], expect=422)
    assert naive["fields"][0]["name"] == "starts_at"
    assert (await calendar.book(patient, "9999-12-31T23:59:00+00:00", expect=422))["code"] == "invalid"
    offer = (await calendar.offers(mode="video"))[0]
    await calendar.book(new_id(), offer["starts_at"], expect=404)
    expired = await calendar.book(patient, offer["starts_at"], provider_id="lang", expect=422)
    assert expired["code"] == "closed", "whose licence ran out books nothing"
    assert (await calendar.post(f"/api/v1/appointments/{uuid4()}/cancel", {"reason": "patient"})).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "offers?from=9999-12-31",
        "offers?days=0",
        "offers?kind=session",
        "offers?mode=fax",
        "days/0001-01-01",
        "days/today",
    ],
)
async def test_a_question_that_makes_no_sense_is_answered_with_what_is_wrong(calendar: Calendar, path: str) -> None:
    answer = await calendar.scheduling.http.get(f"/api/v1/{path}", headers=calendar.scheduling.as_staff("dana"))
    assert answer.status_code == 422, answer.text


async def test_a_day_shows_who_and_where_and_the_read_is_kept(calendar: Calendar) -> None:
    patient = await calendar.patient()
    offer = (await calendar.offers(mode="video", days=14))[0]
    booked = await calendar.book(patient, offer["starts_at"])
    day = await calendar.get(f"/api/v1/days/{offer['starts_at'][:10]}", "tran")
    assert booked["id"] in {one["id"] for one in day["appointments"]}
    assert await calendar.count("audit where what = 'day' and actor = 'staff:tran'") > 0
