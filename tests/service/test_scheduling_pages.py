"""The dashboard's booking pages against a running scheduling service: what a front desk sees and presses."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import httpx
import pytest

from tests.support.dashboard import Desk
from tests.support.scheduling import Calendar, calendar_of
from tests.support.waiting import eventually
from tests.support.world import World

TIME = re.compile(r'name="starts_at" value="([^"]+)"')
BACK = re.compile(r'action="(/today/away/[^"]+/back)"')
KEY = re.compile(r'name="key" value="([^"]+)"')

TOLD_TO_ALL = "select count(*) from dashboard.changes where patient_id is null"


@dataclass
class Office:
    """Somebody at a dashboard, beside the calendar that it shows."""

    calendar: Calendar
    desk: Desk

    async def patient(self) -> UUID:
        """Known to the calendar and on the board."""
        patient = await self.calendar.patient()
        async with await self.desk.as_staff("dana") as browser:
            await eventually(lambda: _status(browser, f"/patients/{patient}"), equals=200)
        return patient


async def _status(browser: httpx.AsyncClient, path: str) -> int:
    return (await browser.get(path)).status_code


@pytest.fixture(scope="module")
async def office(world: World) -> AsyncIterator[Office]:
    async with calendar_of(world) as calendar, world.start("dashboard") as dashboard:
        yield Office(calendar, Desk(dashboard))


async def page(browser: httpx.AsyncClient, path: str, status: int = 200) -> str:
    answer = await browser.get(path)
    assert answer.status_code == status, answer.text
    return answer.text


async def test_front_desk_books_by_pressing_a_time_and_twice_is_once(office: Office) -> None:
    patient = await office.patient()
    async with await office.desk.as_staff("dana") as browser:
        shown = await page(browser, f"/patients/{patient}/book?mode=video&provider=osei")
        assert "Jo Doe" in shown
        times = TIME.findall(shown)
        (key,) = KEY.findall(shown)
        pressed = {"mode": "video", "provider": "osei", "starts_at": times[0], "key": key}
        for _ in range(2):
            answer = await browser.post(f"/patients/{patient}/book", data=pressed)
            assert (answer.status_code, answer.headers["location"]) == (303, f"/patients/{patient}")
        assert await office.calendar.count("appointments where patient_id = $1", patient) == 1
        shown = await page(browser, f"/patients/{patient}/book?mode=video&provider=osei")
        assert times[0] not in TIME.findall(shown)
        assert "Consultation, video" in shown


async def test_a_time_that_was_taken_meanwhile_brings_the_others(office: Office) -> None:
    first, second = await office.patient(), await office.patient()
    async with await office.desk.as_staff("osei") as browser:
        times = TIME.findall(await page(browser, f"/patients/{first}/book?mode=video&provider=osei"))
        pressed = {"mode": "video", "provider": "osei", "starts_at": times[1]}
        assert (await browser.post(f"/patients/{first}/book", data={**pressed, "key": "first-page"})).status_code == 303
        refused = await browser.post(f"/patients/{second}/book", data={**pressed, "key": "other-page"})
        assert refused.status_code == 409
        assert "This time is taken." in refused.text
        assert "Dr Amara Osei" in refused.text
        assert times[1] not in TIME.findall(refused.text)
        spanish = await browser.post(
            f"/patients/{second}/book", data={**pressed, "key": "third-page"}, headers={"accept-language": "es"}
        )
        assert "Esta hora ya está ocupada." in spanish.text


async def test_a_session_is_moved_and_cancelled_with_its_consequence_named(office: Office) -> None:
    patient = await office.patient()
    one, _ = await office.calendar.some_that_can_move((await office.calendar.course(patient))[1:])
    path = f"/patients/{patient}/appointments/{one['id']}"
    async with await office.desk.as_staff("dana") as browser:
        shown = await page(browser, f"{path}/reschedule")
        assert f"Session {one['session']['number']} of 6" in shown
        assert "The other sessions stay where they are." in shown
        (other, *_) = [time for time in TIME.findall(shown) if time != one["starts_at"]]
        answer = await browser.post(f"{path}/reschedule", data={"starts_at": other, "reason": "patient"})
        assert answer.status_code == 303, answer.text
        found = await office.calendar.get(f"/api/v1/appointments/{one['id']}")
        assert (found["starts_at"], found["revision"]) == (other, 1)
        asked = await page(browser, f"{path}/cancel")
        assert "The course of 6 sessions will lack this one." in asked
        answer = await browser.post(f"{path}/cancel", data={"reason": "illness", "note": "Flu"})
        assert answer.status_code == 303, answer.text
        assert await office.calendar.state(one["id"]) == "cancelled"
        again = await browser.post(f"{path}/cancel", data={"reason": "illness"})
        assert again.status_code == 409
        assert "can&#39;t be changed any more" in again.text


async def test_a_course_without_times_is_told_and_looked_for_again(office: Office) -> None:
    patient = await office.patient()
    approval = await office.calendar.approve(patient, days=6)
    infeasible = "courses where approval_id = $1 and state = 'infeasible'"
    await eventually(lambda: office.calendar.count(infeasible, approval), equals=1)
    async with await office.desk.as_staff("dana") as browser:
        shown = await page(browser, f"/patients/{patient}/book")
        assert "The approval runs out too soon." in shown
        answer = await browser.post(f"/patients/{patient}/book/plan/{approval}")
        assert answer.status_code == 303, answer.text


async def test_a_day_shows_who_comes_and_where(office: Office) -> None:
    patient = await office.patient()
    first = (await office.calendar.course(patient))[0]
    async with await office.desk.as_staff("tran") as browser:
        shown = await page(browser, f"/today?day={first['starts_at'][:10]}")
        assert "Jo Doe" in shown
        assert "Session 1 of 6" in shown
        assert "Dr Amara Osei" in shown
        assert (await browser.get("/today")).status_code == 200


async def test_who_may_not_book_gets_no_page_of_it(office: Office) -> None:
    patient = await office.patient()
    async with await office.desk.as_staff("tran") as browser:
        assert await _status(browser, f"/patients/{patient}/book") == 403
    async with await office.desk.as_staff("audit") as browser:
        assert await _status(browser, "/today") == 403


async def test_an_appointment_is_not_shown_under_somebody_else(office: Office) -> None:
    patient, other = await office.patient(), await office.patient()
    first = (await office.calendar.course(patient))[0]
    async with await office.desk.as_staff("dana") as browser:
        assert await _status(browser, f"/patients/{other}/appointments/{first['id']}/cancel") == 404


async def test_one_appointment_is_handed_to_somebody_else_at_its_own_time(office: Office) -> None:
    patient = await office.patient()
    second = (await office.calendar.course(patient))[1]
    path = f"/patients/{patient}/appointments/{second['id']}/hand-over"
    async with await office.desk.as_staff("dana") as browser:
        await eventually(lambda: _shows(browser, f"/patients/{patient}", path))
        shown = await page(browser, path)
        assert "Instead of Dr Amara Osei" in shown
        assert office.calendar.clinic.person(second["monitor_id"]).name in shown
        seen = {"at": second["starts_at"], "revision": "0"}
        nobody = await browser.post(path, data=seen)
        assert nobody.status_code == 422
        assert "Nobody was chosen." in nobody.text
        answer = await browser.post(path, data={**seen, "provider": "rios", "monitor": ""})
        assert (answer.status_code, answer.headers["location"]) == (303, f"/patients/{patient}")
        found = await office.calendar.get(f"/api/v1/appointments/{second['id']}")
        assert (found["starts_at"], found["provider_id"]) == (second["starts_at"], "rios")
        late = await browser.post(path, data={**seen, "provider": "osei"})
        assert late.status_code == 409
        assert "It was changed meanwhile." in late.text
        await eventually(lambda: _shows(browser, f"/patients/{patient}", "is with Dr Lucía Ríos and "))
    async with await office.desk.as_staff("tran") as browser:
        assert await _status(browser, path) == 403


async def test_a_provider_is_ill_for_a_day_and_everything_of_theirs_goes_to_others(office: Office) -> None:
    patients = [await office.patient() for _ in range(2)]
    offers = await office.calendar.offers(mode="video", days=40)
    at = [one["starts_at"] for one in offers if {"osei", "rios"} <= set(one["provider_ids"])]
    for day in dict.fromkeys(one[:10] for one in reversed(at)):
        taken = (await office.calendar.get(f"/api/v1/days/{day}"))["appointments"]
        if not [one for one in taken if one["provider_id"] == "osei"]:
            break
    booked = [
        await office.calendar.book(patient, start, provider_id="osei")
        for patient, start in zip(patients, [one for one in at if one[:10] == day][::3], strict=False)
    ]
    async with await office.desk.as_staff("dana") as browser:
        form = {"person": "osei", "first": day, "last": "", "from": "", "until": ""}
        backwards = await browser.post("/today/away", data={**form, "from": "12:00", "until": "11:00"})
        assert backwards.status_code == 422
        assert "It ends before it begins." in backwards.text
        mistyped = await browser.post("/today/away", data={**form, "first": day.replace("20", "21", 1)})
        assert mistyped.status_code == 422
        assert "more than a year ahead" in mistyped.text
        noted = await browser.post("/today/away", data=form)
        assert noted.status_code == 303, noted.text
        cover = noted.headers["location"]
        shown = await page(browser, cover)
        assert "2 appointments stand in that time." in shown
        for by in ("rooms", "people"):
            drawn = await page(browser, f"/today?day={day}&by={by}")
            assert "away all day" in drawn
            assert "Dr Amara Osei is away" in drawn
            assert cover in drawn
        pressed: dict[str, str] = {}
        for one in booked:
            mark = f":{one['id']}"
            pressed |= {f"at{mark}": one["starts_at"], f"revision{mark}": "0", f"provider{mark}": "rios"}
        answer = await browser.post(cover, data=pressed)
        assert (answer.status_code, answer.headers["location"]) == (303, cover)
        assert "Nothing stands in that time any more." in await page(browser, cover)
        again = await browser.post(cover, data=pressed)
        assert again.status_code == 409
        for one in booked:
            assert (await office.calendar.get(f"/api/v1/appointments/{one['id']}"))["provider_id"] == "rios"
        answer = await browser.post(f"{cover}/back")
        assert answer.status_code == 303, answer.text
        assert "Nobody is away." in await page(browser, "/today/away")


async def test_who_has_the_day_open_hears_of_an_absence_at_once(office: Office, world: World) -> None:
    day = office.calendar.weekday(200).isoformat()
    form = {"person": "rios", "first": day, "last": "", "from": "", "until": ""}
    async with await office.desk.as_staff("dana") as dana, await office.desk.as_staff("tran") as tran:
        async with heard(tran, world):
            assert (await dana.post("/today/away", data=form)).status_code == 303
        assert "away all day" in await page(tran, f"/today?day={day}&by=people")
        (absence,) = BACK.findall(await page(dana, "/today/away"))
        async with heard(tran, world):
            assert (await dana.post(absence)).status_code == 303
        assert "away all day" not in await page(tran, f"/today?day={day}&by=people")


@asynccontextmanager
async def heard(browser: httpx.AsyncClient, world: World) -> AsyncIterator[None]:
    """What is done meanwhile is told to everybody, and an open page hears that something changed."""
    async with browser.stream("GET", "/live/changes") as stream, world.connection() as owner, asyncio.timeout(10):
        lines = stream.aiter_lines()
        assert (await anext(lines)).startswith("retry:")
        before = await owner.fetchval(TOLD_TO_ALL)
        yield
        assert await owner.fetchval(TOLD_TO_ALL) == before + 1
        while not (await anext(lines)).startswith("event: changed"):
            pass


async def _shows(browser: httpx.AsyncClient, path: str, words: str) -> bool:
    return words in (await browser.get(path)).text


async def test_a_talk_that_is_over_is_not_offered_to_be_moved(office: Office) -> None:
    patient = await office.patient()
    async with await office.desk.as_staff("dana") as browser:
        shown = await page(browser, f"/patients/{patient}/book?mode=video")
        (time, *_), (key,) = TIME.findall(shown), KEY.findall(shown)
        await browser.post(f"/patients/{patient}/book", data={"mode": "video", "starts_at": time, "key": key})
        assert "Nothing is booked yet." not in await page(browser, f"/patients/{patient}/book")
        await office.calendar.later(datetime.fromisoformat(time) + timedelta(hours=1))
        await eventually(
            lambda: office.desk.running.service.clock.now() > datetime.fromisoformat(time) + timedelta(hours=1)
        )
        assert "Nothing is booked yet." in await page(browser, f"/patients/{patient}/book")
