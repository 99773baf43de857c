"""A session's day over the public doors: events in, gates, check-in, dose, observation, discharge."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.assessment import Route, SafetyConcernRaised, TreatmentConsentSigned, VitalsRecorded
from shared.contracts.notifications import PrepConfirmed, TransportConfirmed, TransportMissing
from shared.ids import new_id
from tests.support.scheduling import HASH, Calendar, calendar_of
from tests.support.waiting import eventually
from tests.support.world import World

WAITING = "insert into parked (source, subject, sequence, reason, headers, body) values (2, $1, 99, 'gap', '{}', '')"


@pytest.fixture(scope="module")
async def calendar(world: World) -> AsyncIterator[Calendar]:
    async with calendar_of(world) as made:
        yield made


class Day:
    """One patient's first session, and what others say of it."""

    def __init__(self, calendar: Calendar, patient: UUID, session: dict[str, Any]) -> None:
        self.calendar, self.patient, self.id = calendar, patient, session["id"]
        self.route = Route(session["session"]["route"])
        self.starts_at = datetime.fromisoformat(session["starts_at"])

    async def gates(self) -> dict[str, dict[str, Any]]:
        return {gate["code"]: gate for gate in (await self.shown())["gates"]}

    async def shown(self) -> dict[str, Any]:
        return await self.calendar.get(f"/api/v1/appointments/{self.id}/gates", person="tran")

    async def because(self, code: str) -> str:
        found: str = (await self.gates())[code]["because"]
        return found

    async def do(self, how: str, expect: int = 200, person: str = "tran", **body: Any) -> Any:
        return await self.calendar.change(self.id, how, expect, person, **body)

    async def consent(self, text: str | None = None) -> None:
        """Signed, under the clinic's text of today unless another is named."""
        signed = TreatmentConsentSigned(
            patient_id=self.patient,
            consent_id=new_id(),
            route=self.route,
            text_hash=HASH,
            text_version=text or self.calendar.clinic.consent.version,
            language="en",
            signed_at=self.calendar.now,
        )
        await self.calendar.say("assessment", signed)

    async def measure(
        self, systolic: int, phase: str = "baseline", *, at: datetime | None = None, of: UUID | None = None
    ) -> None:
        taken = VitalsRecorded(
            patient_id=of or self.patient,
            vitals_id=new_id(),
            appointment_id=self.id,
            phase=phase,
            taken_at=at or self.calendar.now,
            systolic=systolic,
            diastolic=78,
            heart_rate=70,
            spo2=98,
        )
        await self.calendar.say("assessment", taken)

    async def ride(self) -> None:
        found = TransportConfirmed(
            patient_id=self.patient, appointment_id=self.id, by="patient", confirmed_at=self.calendar.now
        )
        await self.calendar.say("notifications", found)

    async def sign(self, gate: str, expect: int, person: str = "osei", *, step_up: bool = True) -> Any:
        answer = await self.calendar.scheduling.http.post(
            f"/api/v1/appointments/{self.id}/overrides",
            json={"gate": gate, "reason": "Seen, and it is safe."},
            headers=self.calendar.scheduling.as_staff(person, step_up=step_up),
        )
        assert answer.status_code == expect, answer.text
        return answer.json()


async def a_day(calendar: Calendar, route: Route = Route.IM, *, number: int = 0) -> Day:
    """The morning of a session, the first unless said otherwise."""
    patient = await calendar.patient()
    course = await calendar.course(patient, route=route)
    day = Day(calendar, patient, course[number])
    await calendar.later(day.starts_at - timedelta(minutes=5))
    await eventually(lambda: day.because("risk"), equals="", timeout=15)
    return day


async def test_a_reading_of_somebody_else_says_nothing_about_this_patient(calendar: Calendar) -> None:
    day = await a_day(calendar)
    other = await calendar.patient()
    await day.measure(118, of=other)
    await calendar.say("assessment", SafetyConcernRaised(
        patient_id=other, concern_id=new_id(), kind="CRISIS_SI", level="high", raised_at=calendar.now
    ))  # fmt: skip
    await eventually(lambda: calendar.count("concerns where patient_id = $1", other), equals=1)
    assert await day.because("vitals") == "vitals-missing"


async def test_a_reading_of_another_day_says_nothing_about_this_one(calendar: Calendar) -> None:
    day = await a_day(calendar)
    await day.measure(118, at=calendar.now - timedelta(days=1))
    await day.consent()
    await eventually(lambda: day.because("consents"), equals="")
    assert await day.because("vitals") == "vitals-missing"
    await day.measure(118)
    await eventually(lambda: day.because("vitals"), equals="")


@pytest.mark.parametrize("route", list(Route))
async def test_a_supervised_session_from_check_in_to_the_way_home(calendar: Calendar, route: Route) -> None:
    day = await a_day(calendar, route)
    found = await day.gates()
    assert {code: gate["because"] for code, gate in found.items() if gate["standing"] != "holds"} == {
        "consents": "consent-missing",
        "escort": "escort-unconfirmed",
        "pregnancy": "pregnancy-unasked",
        "vitals": "vitals-missing",
        "fasting": "fasting-unasked",
    }
    refused = await day.do("check-in", 409, person="dana", fasting=True)
    assert (refused["code"], [gate["code"] for gate in refused["gates"]]) == ("gates_open", ["consents", "escort"])
    await day.consent()
    await day.ride()
    await eventually(lambda: day.because("consents"), equals="")
    await eventually(lambda: day.because("escort"), equals="")
    assert (await day.do("check-in", person="dana", fasting=True))["attested"] == ["fasting"]
    assert (await calendar.state(day.id)) == "checked-in"

    await day.do("dose", 403, person="tran")
    refused = await day.do("dose", 409, person="osei")
    assert [gate["because"] for gate in refused["gates"]] == ["pregnancy-unasked", "vitals-missing"]
    await day.do("check-in", pregnancy=True)
    await day.measure(165)
    await eventually(lambda: day.because("vitals"), equals="pressure-hard")
    await day.sign("vitals", 403, "dana")
    assert (await day.sign("vitals", 401, step_up=False))["code"] == "step_up_required"
    assert (await day.sign("vitals", 403, "lang"))["code"] == "no_licence"
    signed = await day.sign("vitals", 201)
    assert [(gate["code"], gate["signed_by"]) for gate in signed["gates"] if gate["standing"] == "signed"] == [
        ("vitals", "osei")
    ]
    given = await day.do("dose", person="osei")
    length = {Route.IM: 120, Route.LOZENGE: 140}[route]
    dosed_at = datetime.fromisoformat(given["dosed_at"])
    assert datetime.fromisoformat(given["watched_until"]) - dosed_at == timedelta(minutes=length)
    assert [datetime.fromisoformat(one["at"]) - dosed_at for one in given["due"]][:2] == [
        timedelta(minutes=15),
        timedelta(minutes=30),
    ]

    refused = await day.do("discharge", 409, escort_present=True)
    assert [gate["because"] for gate in refused["gates"]] == ["observing"]
    await calendar.later(dosed_at + timedelta(minutes=length))
    await day.measure(128, "discharge")
    await eventually(lambda: day.because("observation"), equals="")
    refused = await day.do("discharge", 409, escort_present=False)
    assert [gate["because"] for gate in refused["gates"]] == ["escort-absent"]
    await day.do("discharge", escort_present=True)
    assert (await day.do("discharge", 409, escort_present=True))["code"] == "not_possible"

    log = dict(await calendar.log(day.patient))
    assert (log["SessionCheckedIn"]["gates"], log["SessionCheckedIn"]["overridden"]) == (["pregnancy", "vitals"], [])
    assert (log["SessionDosed"]["prescriber_id"], log["SessionDosed"]["overridden"]) == ("osei", ["vitals"])
    assert (log["SessionCompleted"]["number"], log["SessionCompleted"]["escort_present"]) == (1, True)
    assert await calendar.count("audit where action = 'override' and subject = $1", day.patient) == 1


async def test_without_an_escort_a_session_is_held_and_only_a_provider_goes_past_it(calendar: Calendar) -> None:
    day = await a_day(calendar)
    await day.consent()
    missing = TransportMissing(
        patient_id=day.patient, appointment_id=day.id, starts_at=day.starts_at, cut_off_at=calendar.now
    )
    await calendar.say("notifications", missing)
    await eventually(lambda: calendar.state(day.id), equals="held")
    await eventually(lambda: day.because("consents"), equals="")
    assert [gate["code"] for gate in (await day.do("check-in", 409))["gates"]] == ["escort"]
    assert (await day.sign("consents", 409))["code"] == "not_to_sign"
    await day.sign("escort", 201)
    await day.do("check-in")
    log = dict(await calendar.log(day.patient))
    assert log["SessionCheckedIn"]["overridden"] == ["escort"]


async def test_who_agreed_to_an_older_text_is_asked_again_before_the_dose(calendar: Calendar) -> None:
    day = await a_day(calendar)
    await day.ride()
    await day.consent("2019-01")
    await eventually(lambda: day.because("consents"), equals="consent-outdated")
    await eventually(lambda: day.because("escort"), equals="")
    refused = await day.do("check-in", 409)
    assert "agreed to an older text: ask again" in refused["detail"]
    assert (await day.sign("consents", 409))["code"] == "not_to_sign", "as the clinic's gate has it"
    await calendar.later(calendar.now + timedelta(minutes=1))
    await day.consent()
    await eventually(lambda: day.because("consents"), equals="")
    await day.do("check-in")


async def test_a_safety_concern_and_a_broken_fast_stop_a_session(calendar: Calendar) -> None:
    day = await a_day(calendar)
    worry = SafetyConcernRaised(
        patient_id=day.patient, concern_id=new_id(), kind="cssrs", level="high", raised_at=calendar.now
    )
    await calendar.say("assessment", worry)
    await eventually(lambda: day.because("risk"), equals="concern-open")
    ate = PrepConfirmed(
        patient_id=day.patient, appointment_id=day.id, item="solids", ok=False, answered_at=calendar.now
    )
    await calendar.say("notifications", ate)
    await eventually(lambda: day.because("fasting"), equals="fasting-broken")
    refused = await day.do("check-in", 409, fasting=True)
    assert "risk" in [gate["code"] for gate in refused["gates"]]
    assert (await day.sign("risk", 409))["code"] == "not_to_sign"


async def test_when_news_may_be_missing_the_answer_is_not_now(calendar: Calendar) -> None:
    """Fail closed: parked news of the patient, or no sign of life of a producer's topic for more than five seconds."""
    day = await a_day(calendar)
    await day.consent()
    await day.ride()
    await eventually(lambda: day.because("consents"), equals="")
    await eventually(lambda: day.because("escort"), equals="")
    async with calendar.world.connection("scheduling") as conn:
        await conn.execute(WAITING, day.patient)
        refused = await day.do("check-in", 503)
        assert refused["code"] == "facts_behind"
        assert refused["detail"].startswith("Not now")
        await conn.execute("delete from parked where subject = $1", day.patient)
    await day.do("check-in")


async def test_the_gates_close_when_the_consumer_falls_silent(calendar: Calendar) -> None:
    day = await a_day(calendar)
    consumer = calendar.scheduling.service.consumer
    await consumer.stop()
    try:
        await eventually(lambda: day.because("risk"), equals="facts-behind", timeout=12)
        found = await day.gates()
        assert {gate["code"] for gate in found.values() if gate["standing"] == "unknown"} >= {"approval", "escort"}
        assert (await day.sign("escort", 409))["code"] == "not_to_sign"
    finally:
        await consumer.start()
    await eventually(lambda: day.because("risk"), equals="", timeout=20)


async def test_a_ride_and_answers_of_the_old_time_do_not_count_for_the_new(calendar: Calendar) -> None:
    patient = await calendar.patient()
    session = (await calendar.course(patient))[-1]  # whichever day it is, the last of them can be moved to a later one
    day = Day(calendar, patient, session)
    await day.ride()
    await eventually(lambda: day.because("escort"), equals="", timeout=15)
    offers = await calendar.offers(kind="session", appointment_id=day.id, days=7, **{"from": session["starts_at"][:10]})
    free = next(one for one in offers if one["starts_at"] != session["starts_at"])
    await day.do("reschedule", person="dana", starts_at=free["starts_at"], reason="patient")
    assert await day.because("escort") == "escort-unconfirmed"


async def test_vitals_of_another_day_do_not_count_for_the_dose(calendar: Calendar) -> None:
    """They came without a ride, were measured and sent home; at the new time nobody has measured them yet."""
    day = await a_day(calendar, number=-1)  # whichever day it is, the last of them can be moved to a later one
    await day.measure(124)
    await eventually(lambda: day.because("vitals"), equals="")
    offers = await calendar.offers(kind="session", appointment_id=day.id, days=7)
    tomorrow = next(one["starts_at"] for one in offers)
    await day.do("reschedule", person="dana", starts_at=tomorrow, reason="transport")
    assert await day.because("vitals") == "vitals-missing"
    await day.measure(126)
    await eventually(lambda: calendar.count("vitals where appointment_id = $1", UUID(day.id)), equals=2)
    assert await day.because("vitals") == "vitals-missing", "taken by mistake for a session that is days ahead"


async def test_a_late_dose_takes_room_monitor_and_patient_for_as_long_as_it_lasts(calendar: Calendar) -> None:
    day = await a_day(calendar)
    await day.consent()
    await day.ride()
    await day.measure(124)
    await calendar.later(day.starts_at + timedelta(minutes=110))
    for gate in ("consents", "escort", "vitals"):
        await eventually(partial(day.because, gate), equals="", timeout=15)
    await day.do("check-in", fasting=True, pregnancy=True)
    longer = (
        "bookings b join appointments using (appointment_id) where appointment_id = $1 and upper(during) >= ends_at"
    )
    was = await calendar.count(f"{longer} + interval '60 minutes'", UUID(day.id))
    given = await day.do("dose", person="osei")
    assert given["dosed_at"] > given["appointment"]["session"]["dose_at"]
    assert (was, await calendar.count(f"{longer} + interval '60 minutes'", UUID(day.id))) == (0, 3)
