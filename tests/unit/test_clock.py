"""Business time is real outside development, and movable in it."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.clock import FixedClock, MovableClock, NotMovable, RealClock, clock_for
from shared.ids import new_id


class Row:
    def __init__(self, seconds):
        self.seconds = seconds

    async def fetchval(self, _query):
        return self.seconds


def test_production_has_a_real_clock_and_nothing_to_move_it_with():
    assert isinstance(clock_for("production"), RealClock)
    assert isinstance(clock_for("development"), MovableClock)
    assert isinstance(clock_for("test"), MovableClock)


@pytest.mark.parametrize("make", [lambda: MovableClock("production"), lambda: FixedClock(datetime.now(UTC), "staging")])
def test_a_clock_that_can_be_moved_is_refused_where_time_must_be_real(make):
    with pytest.raises(NotMovable, match="in development and test only"):
        make()


async def test_a_movable_clock_takes_over_the_stacks_offset_and_says_whether_it_changed():
    clock = MovableClock("development")
    assert await clock.refresh(Row(86_400)) is True
    assert await clock.refresh(Row(86_400)) is False
    ahead = clock.now() - datetime.now(UTC)
    assert timedelta(days=1) - ahead < timedelta(seconds=1)
    assert await clock.refresh(Row(None)) is True, "no row: real time"


def test_a_fixed_clock_stands_still_until_moved():
    clock = FixedClock(datetime(2026, 11, 23, 9, tzinfo=UTC))
    assert clock.now() == clock.now() == datetime(2026, 11, 23, 9, tzinfo=UTC)
    clock.move(timedelta(hours=2))
    assert clock.now() == datetime(2026, 11, 23, 11, tzinfo=UTC)


def test_ids_are_uuid7_and_all_different():
    made = {new_id() for _ in range(1000)}
    assert len(made) == 1000
    assert {one.version for one in made} == {7}
