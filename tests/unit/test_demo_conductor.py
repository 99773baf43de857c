"""The play's time: the clock goes on only when everybody waits, and to the earliest moment."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from passage.demo.conductor import Conductor
from passage.demo.stage import first_day

BEGIN = datetime(2026, 11, 30, 9, tzinfo=UTC)


class Clock:
    def __init__(self):
        self.time, self.moves = BEGIN, []

    async def now(self):
        return self.time

    async def move(self, moment):
        assert moment > self.time
        self.moves.append(moment)
        self.time = moment


def at(hours):
    return BEGIN + timedelta(hours=hours)


async def test_the_clock_goes_to_the_earliest_moment_when_everybody_waits():
    clock, seen = Clock(), []
    conductor = Conductor(clock.now, clock.move)

    async def part(name, *hours):
        for hour in hours:
            await conductor.until(at(hour))
            for _ in range(5):
                await asyncio.sleep(0)
            seen.append((name, clock.time))

    await conductor.play([part("a", 2, 5), part("b", -1, 3, 5), part("c")])
    assert clock.moves == [at(2), at(3), at(5)]
    assert seen == [("b", at(0)), ("a", at(2)), ("b", at(3)), ("a", at(5)), ("b", at(5))]


async def test_a_part_that_fails_holds_nobody_up_and_is_told_in_the_end():
    clock, ended = Clock(), []
    conductor = Conductor(clock.now, clock.move)

    async def fails():
        await conductor.until(at(1))
        raise LookupError("no time")

    async def goes_on():
        await conductor.until(at(2))
        ended.append(clock.time)

    with pytest.raises(LookupError, match="no time"):
        await conductor.play([fails(), goes_on()])
    assert ended == [at(2)]


async def test_a_clock_that_does_not_move_ends_the_play():
    clock, ended = Clock(), []

    async def stuck(_moment):
        raise RuntimeError("stuck")

    conductor = Conductor(clock.now, stuck)

    async def part():
        try:
            await conductor.until(at(1))
        finally:
            ended.append("part")

    with pytest.raises(RuntimeError, match="stuck"):
        await conductor.play([part()])
    assert ended == ["part"]


@pytest.mark.parametrize("today", ["2026-11-20", "2026-12-19", "2027-01-13", "2027-05-20", "2027-11-15"])
def test_the_play_begins_on_a_monday_and_needs_no_holiday(today):
    from datetime import date
    from pathlib import Path

    from passage.demo.stage import OPEN_DAYS
    from shared.clinic import load

    clinic = load(Path(__file__).parents[2] / "deploy" / "clinics" / "harbor.toml")
    monday = first_day(clinic, date.fromisoformat(today))
    assert monday.weekday() == 0
    assert monday > date.fromisoformat(today)
    assert all(clinic.hours.intervals(monday + timedelta(days=day)) for day in OPEN_DAYS)
