"""A first consultation that the patient books over a link of their own, on a phone without JavaScript."""

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID

import httpx
import pytest

from shared.contracts.intake import PatientErased
from tests.support.scheduling import Calendar, calendar_of
from tests.support.waiting import eventually
from tests.support.world import World

TIME = re.compile(r'name="starts_at" value="([^"]+)"')
MINE = "appointments where patient_id = $1"


@pytest.fixture(scope="module")
async def calendar(world: World) -> AsyncIterator[Calendar]:
    async with calendar_of(world) as made:
        yield made


class Phone:
    """A patient's browser with one link."""

    def __init__(self, calendar: Calendar, url: str) -> None:
        self.http = calendar.scheduling.http
        self.path = url.removeprefix(calendar.scheduling.service.settings.public_url)

    async def get(self, query: str = "", status: int = 200, language: str = "en") -> str:
        answer = await self.http.get(
            f"{self.path}{query}", headers={"accept": "text/html", "accept-language": language}
        )
        assert answer.status_code == status, answer.text
        return answer.text

    async def press(self, how: str = "", **form: str) -> httpx.Response:
        return await self.http.post(f"{self.path}{how}", data=form, headers={"accept": "text/html"})


async def a_link(calendar: Calendar) -> tuple[UUID, Phone]:
    patient = await calendar.patient()
    answer = await calendar.post(f"/api/v1/patients/{patient}/booking-link")
    assert answer.status_code == 201, answer.text
    return patient, Phone(calendar, answer.json()["url"])


async def test_a_patient_books_once_by_pressing_a_time(calendar: Calendar) -> None:
    patient, phone = await a_link(calendar)
    shown = await phone.get("?mode=video")
    assert "Choose a time for your first talk" in shown
    assert "Elija una hora" in await phone.get("?mode=video", language="es")
    assert await calendar.count(MINE, patient) == 0, "looking changes nothing"
    first, second, *_ = TIME.findall(shown)
    for time in (first, second):
        answer = await phone.press(mode="video", starts_at=time)
        assert answer.status_code == 303, answer.text
    assert await calendar.count(MINE, patient) == 1
    (event,) = [body for _, body in await calendar.log(patient)]
    assert (event["booked_by"], event["mode"]) == ("patient", "video")
    assert datetime.fromisoformat(event["starts_at"]) == datetime.fromisoformat(first)
    shown = await phone.get()
    assert "Your talk is" in shown
    assert not TIME.findall(shown)


async def test_a_time_that_somebody_else_got_brings_the_others(calendar: Calendar) -> None:
    (_, one), (patient, other) = await a_link(calendar), await a_link(calendar)
    time = TIME.findall(await one.get("?mode=in_person"))[0]
    assert (await one.press(mode="in_person", starts_at=time)).status_code == 303
    refused = await other.press(mode="in_person", starts_at=time)
    assert refused.status_code == 409
    assert "Somebody was faster" in refused.text
    assert TIME.findall(refused.text)
    assert time not in TIME.findall(refused.text)
    assert await calendar.count(MINE, patient) == 0


async def test_they_move_and_cancel_until_the_notice_period(calendar: Calendar) -> None:
    patient, phone = await a_link(calendar)
    later = (calendar.now + timedelta(days=6)).date().isoformat()
    times = TIME.findall(await phone.get(f"?mode=video&after={later}"))
    await phone.press(mode="video", starts_at=times[0])
    offered = TIME.findall(await phone.get(f"?ask=move&after={later}"))
    assert times[0] not in offered
    answer = await phone.press("/move", starts_at=offered[0])
    assert answer.status_code == 303, answer.text
    assert await calendar.names(patient) == ["ConsultationScheduled", "AppointmentRescheduled"]
    assert "Yes, cancel it" in await phone.get("?ask=cancel")

    starts_at = datetime.fromisoformat(offered[0])
    await calendar.later(starts_at - timedelta(hours=47))
    assert "please call us" in await phone.get("?ask=cancel")
    refused = await phone.press("/cancel")
    assert refused.status_code == 409
    assert await calendar.count(f"{MINE} and state = 'booked'", patient) == 1


async def test_a_cancelled_talk_gives_its_time_back(calendar: Calendar) -> None:
    patient, phone = await a_link(calendar)
    later = (calendar.now + timedelta(days=6)).date().isoformat()
    time = TIME.findall(await phone.get(f"?mode=video&after={later}"))[0]
    await phone.press(mode="video", starts_at=time)
    answer = await phone.press("/cancel")
    assert answer.status_code == 303, answer.text
    assert await calendar.count("bookings join appointments using (appointment_id) where patient_id = $1", patient) == 0
    assert (await calendar.log(patient))[-1][1]["reason"] == "patient"
    shown = await phone.get()
    assert "not booked any more" in shown
    assert not TIME.findall(shown)


async def test_a_link_ends(calendar: Calendar) -> None:
    patient, phone = await a_link(calendar)
    assert (await calendar.scheduling.http.get("/b/" + "x" * 22)).status_code == 404
    answer = await calendar.post(f"/api/v1/patients/{patient}/booking-link", person="tran")
    assert answer.status_code == 403
    await calendar.say("intake", PatientErased(patient_id=patient, requested_at=calendar.now))
    await eventually(lambda: calendar.count("links where subject = $1", patient), equals=0)
    await phone.get(status=404)
    _, other = await a_link(calendar)
    await calendar.later(calendar.now + timedelta(days=29))
    await other.get(status=410)
