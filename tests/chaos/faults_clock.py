"""Business time that jumps: by hours, and over both days on which the clinic's clocks change."""

import asyncio
import random
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tests.chaos.arena import Arena
from tests.chaos.faults import Fault

ZONE = ZoneInfo("America/Denver")
DAY = timedelta(days=1)
AFTERNOON = time(15)
YEAR = 2027
"""In which a run lives: later the demo clinic's people have no licences any more."""


class ClockByHours(Fault):
    """Business time jumps by some hours."""

    name = "clock moved by hours"

    def __init__(self, random_: random.Random) -> None:
        super().__init__(random_)
        self._hours = random_.randint(2, 9)

    @property
    def what(self) -> str:
        return f"clock moved by {self._hours} hours"

    async def inject(self, arena: Arena) -> None:
        await arena.move_clock(timedelta(hours=self._hours))
        await asyncio.sleep(0.5)


class ClockOverDst(Fault):
    """Business time jumps to the next day on which the clinic's clocks change: from the afternoon before it."""

    name = "clock moved over a day on which clocks change"

    def __init__(self, random_: random.Random) -> None:
        super().__init__(random_)
        self._told = ""

    @property
    def told(self) -> str:
        return self._told

    async def inject(self, arena: Arena) -> None:
        eve = eve_of_change(await arena.business_now())
        if eve.year == YEAR and (left := eve - await arena.business_now()) > timedelta():
            await arena.move_clock(left)
            await asyncio.sleep(self.seconds)
        before = (await arena.business_now()).astimezone(ZONE)
        await arena.move_clock(timedelta(hours=19))
        after = (await arena.business_now()).astimezone(ZONE)
        self._told = f"from {before:%Y-%m-%d %H:%M %Z} to {after:%Y-%m-%d %H:%M %Z}"


class ClockOverOtherDst(ClockOverDst):
    """The same once more: half a year later, over the other one."""

    name = "clock moved over the other day on which clocks change"
    quick = False


def eve_of_change(now: datetime) -> datetime:
    """The afternoon before the next day whose offset at noon is another than the day's before it; from today on."""
    day = now.astimezone(ZONE).date()
    while _noon(day) == _noon(day + DAY):
        day += DAY
    return datetime.combine(day, AFTERNOON, ZONE)


def _noon(day: date) -> timedelta | None:
    return datetime.combine(day, time(12), ZONE).utcoffset()
