"""From Vagaro's webhook to the clinic's calendar, through intake's door and the broker."""

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.intake import Intake
from tests.support.scheduling import Calendar
from tests.support.waiting import eventually
from tests.support.world import World

OSEI = "U7kq2w=="
NUMBERS = itertools.count(1)
MINE = "appointments where patient_id = $1 and booked_by = 'external' and state = $2"


@dataclass
class Vagaro:
    """The other system, and both ends of its word here."""

    intake: Intake
    calendar: Calendar
    start: datetime
    """A morning at the clinic; it is open then a day before, and one and two weeks later too."""

    async def customer(self) -> tuple[str, UUID]:
        """Somebody who has booked there at `start` minus a day; Vagaro's id of them, and ours."""
        name, number = uuid4().hex[:10], f"801557{next(NUMBERS):04d}"
        payload = {
            "customerId": f"c/{name}", "businessIds": ["b1"], "customerFirstName": "Rosa",
            "customerLastName": "Delgado", "mobilePhone": number, "email": f"{name}@example.com",
        }  # fmt: skip
        await self.say("customer", "created", payload)
        await self.appointment(f"first/{name}", f"c/{name}", self.start - timedelta(days=1, hours=next(NUMBERS) % 3))
        return f"c/{name}", await self._known(f"+1{number}")

    async def _known(self, phone: str) -> UUID:
        found: list[UUID] = []

        async def known() -> bool:
            patient = await self.intake.patient_of(phone)
            found.extend([patient] if patient else [])
            return patient is not None

        await eventually(known)
        return found[0]

    async def appointment(
        self, booking: str, customer: str | None, at: datetime, status: str = "Accepted", action: str = "created"
    ) -> None:
        payload = {
            "appointmentId": booking, "startTime": _stamp(at), "endTime": _stamp(at + timedelta(hours=1)),
            "bookingStatus": status, "serviceTitle": "First talk", "customerId": customer, "serviceProviderId": OSEI,
            "businessId": "b1", "eventType": "Appointment",
        }  # fmt: skip
        await self.say("appointment", action, payload)

    async def say(self, kind: str, action: str, payload: dict[str, Any]) -> None:
        said = {"id": uuid4().hex, "createdDate": _stamp(datetime.now(UTC)), "type": kind, "action": action}
        answer = await self.intake.vagaro({**said, "payload": payload})
        assert answer.status_code == 204, answer.text

    async def booked(self, patient: UUID) -> dict[str, Any]:
        found = await self.calendar.get(f"/api/v1/patients/{patient}/appointments")
        return {one["starts_at"]: one for one in found["appointments"]}


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


@pytest.fixture(scope="module")
async def vagaro(world: World) -> AsyncIterator[Vagaro]:
    async with world.start("scheduling") as scheduling, world.start("intake") as intake:
        calendar = Calendar(world, scheduling, {})
        day = calendar.weekday(40, and_after=(-1, 7, 8, 14))
        yield Vagaro(await Intake.of(intake, world), calendar, datetime.combine(day, time(17), UTC))


async def test_a_booking_there_is_a_consultation_here_and_follows_it(vagaro: Vagaro) -> None:
    customer, patient = await vagaro.customer()
    booking = f"a/{uuid4().hex[:8]}"
    await vagaro.appointment(booking, customer, vagaro.start)
    await eventually(lambda: vagaro.calendar.count(MINE, patient, "booked"), equals=2)
    log = [body for name, body in await vagaro.calendar.log(patient) if name == "ConsultationScheduled"]
    assert {(body["booked_by"], body["provider_id"], body["mode"]) for body in log} == {
        ("external", "osei", "in_person")
    }
    await vagaro.appointment(booking, customer, vagaro.start + timedelta(hours=3), action="updated")
    moved = ["ConsultationScheduled", "ConsultationScheduled", "AppointmentRescheduled"]
    await eventually(lambda: vagaro.calendar.names(patient), equals=moved)
    await vagaro.appointment(booking, customer, vagaro.start + timedelta(hours=3), "Cancel", action="updated")
    await eventually(lambda: vagaro.calendar.count(MINE, patient, "cancelled"), equals=1)
    assert (await vagaro.calendar.log(patient))[-1][1]["reason"] == "external"
    taken = "bookings where resource = 'person:osei' and during && tstzrange($1, $2)"
    assert await vagaro.calendar.count(taken, vagaro.start + timedelta(hours=3), vagaro.start + timedelta(hours=4)) == 0


async def test_what_does_not_fit_is_adopted_and_becomes_a_task(vagaro: Vagaro) -> None:
    at = vagaro.start + timedelta(days=7)
    (one, first), (other, second) = await vagaro.customer(), await vagaro.customer()
    await vagaro.appointment(f"a/{uuid4().hex[:8]}", one, at)
    await eventually(lambda: vagaro.calendar.count(MINE, first, "booked"), equals=2)
    await vagaro.appointment(f"a/{uuid4().hex[:8]}", other, at)
    await eventually(lambda: vagaro.calendar.count(MINE, second, "booked"), equals=2)
    tasks = [
        task
        for task in (await vagaro.calendar.get("/api/v1/tasks"))["tasks"]
        if task["patient_id"] == str(second) and task["kind"] == "calendar-conflict"
    ]
    assert "Dr Amara Osei is taken" in tasks[-1]["detail"]


async def test_personal_time_there_is_not_offered_here(vagaro: Vagaro) -> None:
    at = vagaro.start + timedelta(days=14)
    query = {"mode": "video", "provider": "osei", "from": at.date().isoformat(), "days": 1}

    async def offered() -> bool:
        return at in [datetime.fromisoformat(one["starts_at"]) for one in await vagaro.calendar.offers(**query)]

    assert await offered()
    away = f"p/{uuid4().hex[:8]}"
    await vagaro.appointment(away, None, at, "PersonalOff")
    await eventually(offered, equals=False)
    await vagaro.appointment(away, None, at, "Deleted", action="deleted")
    await eventually(offered, equals=True)


async def test_a_request_waits_for_a_yes(vagaro: Vagaro) -> None:
    at = vagaro.start + timedelta(days=8)
    customer, patient = await vagaro.customer()
    booking = f"a/{uuid4().hex[:8]}"
    asked = "tasks where subject = $1 and kind = 'external-request' and closed_at is null"
    await vagaro.appointment(booking, customer, at, "Need Acceptance")
    await eventually(lambda: vagaro.calendar.count(asked, patient), equals=1)
    await vagaro.appointment(booking, customer, at, "Accepted", action="updated")
    await eventually(lambda: vagaro.calendar.count(MINE, patient, "booked"), equals=2)
    assert await vagaro.calendar.count(asked, patient) == 0
