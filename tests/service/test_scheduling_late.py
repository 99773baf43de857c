"""A dose that is given later than planned: the room and the monitor are taken for as long as it really takes."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.scheduling.domain import house
from services.scheduling.handlers import late
from services.scheduling.repository import calendar as repository
from tests.support.scheduling import Calendar, calendar_of, on_weekdays
from tests.support.world import World

CONFLICTS = "tasks where kind = 'calendar-conflict' and subject = $1 and closed_at is null"
HELD = "bookings where appointment_id = $1 and resource = $2 and upper(during) between $3 and $3 + interval '1 minute'"


@pytest.fixture(scope="module")
async def calendar(world: World) -> AsyncIterator[Calendar]:
    async with calendar_of(world) as made:
        yield made


def moment(session: dict[str, Any], name: str) -> datetime:
    return datetime.fromisoformat(session.get(name) or session["session"][name])


async def given(calendar: Calendar, session: dict[str, Any], minutes: int) -> None:
    """The dose of this session, so late."""
    await calendar.later(moment(session, "dose_at") + timedelta(minutes=minutes))
    async with calendar.scheduling.service.transaction(actor="staff:osei") as uow:
        dosed = await repository.find(uow.conn, UUID(session["id"]), lock=True)
        assert dosed is not None
        assert dosed.session is not None
        shape = house.shape_of(uow.clinic, dosed.session.route)
        assert shape is not None
        await late.given(uow, dosed, dosed.session, shape)


async def detail(calendar: Calendar, patient: UUID) -> str:
    (task,) = [one for one in (await calendar.get("/api/v1/tasks"))["tasks"] if one["patient_id"] == str(patient)]
    said: str = task["detail"]
    return said


async def test_who_comes_next_and_the_time_until_then_are_seen_to(calendar: Calendar) -> None:
    first, second = await calendar.patients(2)
    session = min(on_weekdays(await calendar.course(first)), key=lambda one: moment(one, "starts_at").time())
    following, *others = await calendar.course(second)
    for one in others:  # which would keep it at a distance
        await calendar.change(one["id"], "cancel", reason="clinic")
    until, ends, watched = moment(session, "room_until"), moment(session, "ends_at"), f"person:{session['monitor_id']}"
    moved = await calendar.change(
        following["id"], "reschedule", starts_at=until.isoformat(), reason="clinic", monitor_id=session["monitor_id"]
    )
    await given(calendar, session, 12)
    assert await calendar.count(CONFLICTS, second) == 0, "making the room ready takes as long"
    await given(calendar, session, 80)
    assert "another time than planned" in await detail(calendar, second)
    assert await calendar.count(CONFLICTS, first) == 0
    mine = UUID(session["id"])
    assert await calendar.count(HELD, mine, watched, moment(moved, "dose_at")) == 1, "until the next dose"
    assert await calendar.count(HELD, mine, f"patient:{first}", ends + timedelta(minutes=80)) == 1
    room = until if moved["room_id"] == session["room_id"] else ends + timedelta(minutes=80)
    assert await calendar.count(HELD, mine, f"room:{session['room_id']}", room) == 1


async def test_who_comes_hours_too_early_takes_the_monitor_then(calendar: Calendar) -> None:
    first, second = await calendar.patients(2)
    course, (session, *others) = await calendar.course(second), await calendar.course(first)
    earlier = on_weekdays(course)[0]  # on a Saturday there is time for one
    for one in (*course, *others):
        if one is not earlier:
            await calendar.change(one["id"], "cancel", reason="clinic")
    offers = await calendar.offers(
        kind="session", appointment_id=earlier["id"], days=1, **{"from": earlier["starts_at"][:10]}
    )
    at = min(one["starts_at"] for one in offers)
    if at != earlier["starts_at"]:
        earlier = await calendar.change(earlier["id"], "reschedule", starts_at=at, reason="clinic")
    body = {"starts_at": earlier["session"]["room_until"], "reason": "clinic", "monitor_id": earlier["monitor_id"]}
    session = await calendar.change(session["id"], "reschedule", **body)
    before = (moment(session, "dose_at") - moment(earlier, "dose_at")) // timedelta(minutes=1)
    await given(calendar, session, 30 - before)
    assert "another time than planned" in await detail(calendar, second)
