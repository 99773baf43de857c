"""The day as a grid: who is where, and with what."""

from datetime import date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from services.dashboard.domain.day import NOWHERE, Column, Session, Visit, grid
from shared.clinic import load

CLINIC = load(Path(__file__).parents[2] / "deploy" / "clinics" / "harbor.toml")
DAY = date(2026, 11, 27)


def at(clock: str) -> datetime:
    hour, minute = clock.split(":")
    return datetime(DAY.year, DAY.month, DAY.day, int(hour), int(minute), tzinfo=CLINIC.tz)


def talk(clock: str, *, room: str | None = "room-1", minutes: int = 60, mode: str = "in_person") -> Visit:
    start = at(clock)
    return Visit(uuid4(), uuid4(), "booked", start, start + timedelta(minutes=minutes), mode, "osei", None, room)


def session(clock: str, route: str = "im") -> Visit:
    kind, start = CLINIC.appointments.session[route], at(clock)  # type: ignore[index]
    told = Session(route, 1, 6, start + timedelta(minutes=kind.check_in), start + timedelta(minutes=kind.block))
    until = start + timedelta(minutes=kind.stay)
    return Visit(uuid4(), uuid4(), "booked", start, until, "in_person", "osei", "tran", "room-2", told)


def column(columns: tuple[Column, ...], name: str) -> Column:
    return next(one for one in columns if one.id == name)


def test_every_room_has_a_column_and_a_talk_by_video_one_of_its_own():
    shown = grid(CLINIC, DAY, [talk("9:00"), talk("9:00", room=None, mode="video")], "rooms")
    assert [one.id for one in shown.columns] == ["room-1", "room-2", "room-3", NOWHERE]
    assert [(one.start, one.minutes) for one in column(shown.columns, "room-1").blocks] == [(60, 60)]
    assert [one.id for one in grid(CLINIC, DAY, [], "rooms").columns] == ["room-1", "room-2", "room-3"]


@pytest.mark.parametrize(
    ("route", "phases"),
    [
        ("im", [("check_in", 0, 30), ("dosed", 30, 65), ("watched", 95, 55), ("home", 150, 15), ("turnover", 165, 15)]),
        ("lozenge", [("check_in", 0, 30), ("dosed", 30, 140), ("home", 170, 15), ("turnover", 185, 15)]),
    ],
)
def test_a_session_shows_its_phases_and_holds_its_room_until_it_is_ready_again(route, phases):
    visit = session("9:00", route)
    (block,) = column(grid(CLINIC, DAY, [visit], "rooms").columns, "room-2").blocks
    assert [(one.code, one.start, one.minutes) for one in block.phases] == phases
    assert block.minutes == sum(one.minutes for one in block.phases)
    assert block.until == visit.until


def test_a_session_takes_of_a_provider_the_dose_and_of_a_monitor_all_after_it():
    columns = grid(CLINIC, DAY, [session("9:00")], "people").columns
    assert [(one.part, one.start, one.minutes) for one in column(columns, "osei").blocks] == [("dose", 80, 15)]
    assert [(one.part, one.start, one.minutes) for one in column(columns, "tran").blocks] == [("watched", 90, 135)]


def test_who_may_not_treat_that_day_has_no_column_and_who_leaves_early_is_not_here():
    columns = grid(CLINIC, DAY, [], "people").columns
    assert [one.id for one in columns] == ["osei", "rios", "tran", "bell"]
    assert column(columns, "rios").off == ((480, 120),)
    assert column(columns, "osei").off == ()


def test_what_overlaps_stands_abreast_and_what_follows_has_the_whole_width():
    visits = [talk("9:00", room=None), talk("9:30", room=None), talk("10:00", room=None), talk("11:00", room=None)]
    blocks = column(grid(CLINIC, DAY, visits, "rooms").columns, NOWHERE).blocks
    assert [(one.lane, one.lanes) for one in blocks] == [(0, 2), (1, 2), (0, 2), (0, 1)]


def test_the_grid_reaches_to_whoever_comes_early_or_stays_late():
    shown = grid(CLINIC, DAY, [talk("7:15"), talk("17:30", minutes=75)], "rooms")
    assert (shown.first, shown.last) == (7, 19)
    assert shown.minute(at("9:42"), CLINIC) == 162
    assert shown.minute(at("19:00"), CLINIC) is None
    closed = grid(CLINIC, date(2026, 11, 29), [], "rooms")
    assert (closed.first, closed.last) == (8, 18)
