"""The day of an upgrade: a new version takes over while everybody works, one process after the other."""

import random
from collections import Counter
from datetime import UTC, datetime

from shared.contracts.base import SOURCES
from shared.db.migrate import fill
from shared.inbox.positions import NUMBER
from tests.chaos.arena import CONSUMERS, REPLICA, Arena
from tests.chaos.faults import Fault
from tests.chaos.newer import Version
from tests.support.waiting import eventually

BETWEEN = ("assessment", "scheduling", "notifications", "dashboard", "identity")
# Which version of a consumer took in how many events, by whether they hold a field.
READ = """
select m.consumer, m.version, e.body->>$2 is not null as added, count(*) as events
  from chaos.moves m
  join {source}.event_log e on e.subject = m.subject and e.sequence > m.prior and e.sequence <= m.sequence
 where m.source = $1 and m.at >= $3 group by 1, 2, 3
"""
Readings = Counter[tuple[str, int, bool]]
"""(consumer, its version, whether the events hold the new field) → how many it took in."""


class RollingUpgrade(Fault):
    """Migrations beside the running services, then each process is asked to end and the next version starts in its
    place. Old consumers must take in what new producers write, and new ones what old producers write.
    """

    name = "rolling restart with a new version that adds a field"
    seconds = 0.0
    quick = False

    def __init__(self, random_: random.Random) -> None:
        super().__init__(random_)
        self._between = random_.sample(BETWEEN, len(BETWEEN))
        self._told = ""

    @property
    def told(self) -> str:
        return self._told

    async def inject(self, arena: Arena) -> None:
        """One of intake's two processes is the first to be replaced, the other the last: both write all the while."""
        began = datetime.now(UTC)
        old, new = arena.newest, await arena.next_version()
        await self._replace(arena, "intake", new)
        await self._has_read(arena, "intake", new, new, began, added=False)
        for name in self._between:
            if name in CONSUMERS:
                await self._has_read(arena, name, old, new, began, added=True)
            await self._replace(arena, name, new)
            if name in CONSUMERS:
                await self._has_read(arena, name, new, new, began, added=False)
        await self._has_read(arena, "intake", old, new, began, added=True)
        await self._replace(arena, REPLICA, new)
        found = await self._readings(arena, new, began)
        ahead, behind = _total(found, old, added=True), _total(found, new, added=False)
        self._told = (
            f"consumers of version {old.number} took in {ahead} events with the new field, "
            f"those of version {new.number} {behind} without it"
        )

    async def _replace(self, arena: Arena, name: str, version: Version) -> None:
        await arena.replace(name, version)
        await arena.ready(name)

    async def _has_read(
        self, arena: Arena, consumer: str, version: Version, new: Version, began: datetime, *, added: bool
    ) -> None:
        async def looked() -> bool:
            found = await self._readings(arena, new, began)
            assert found[consumer, version.number, added], (
                f"{consumer} of version {version.number} has taken in nothing {'with' if added else 'without'} the new "
                f"field: {dict(found)}"
            )
            return True

        await eventually(looked, timeout=60, every=0.1)

    async def _readings(self, arena: Arena, new: Version, began: datetime) -> Readings:
        found: Readings = Counter()
        for source in SOURCES:
            for row in await arena.fetch(fill(READ, source=source), NUMBER[source], new.field, began):
                found[row["consumer"], row["version"], row["added"]] += row["events"]
        return found


def _total(found: Readings, version: Version, *, added: bool) -> int:
    return sum(events for (_, number, has), events in found.items() if number == version.number and has == added)
