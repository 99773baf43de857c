"""Everybody by stage, who is needed most first; kept in order, and only what changed is put in its place anew.

The promise: a look costs what changed since the last one, however many people there are.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from uuid import UUID

from services.dashboard.domain.board import COLUMNS, Card, Stage, card
from services.dashboard.live import Live, Person

Order = tuple[bool, datetime, str, UUID]
CARD_SECONDS = 15
"""After so long a card on the board is made anew: deadlines pass."""
_BEFORE_ALL = UUID(int=0)
_order = attrgetter("order")


@dataclass(eq=False, slots=True)
class Entry:
    """Somebody in their place."""

    person: Person
    card: Card
    order: Order


class Roster:
    """One per process; made of the board in memory."""

    def __init__(self) -> None:
        self.columns: dict[Stage, list[Entry]] = {stage: [] for stage in COLUMNS}
        self.coming: tuple[datetime, str] | None = None
        """The next booked moment, and who comes then."""
        self._entries: dict[UUID, Entry] = {}
        self._turns: list[set[UUID]] = [set() for _ in range(CARD_SECONDS)]
        """Who is in a column, by the second of their own at which their card is made anew: not the same one for all."""
        self._looked = (-1, -1)

    def look(self, live: Live, now: datetime) -> None:
        """Take over what changed since the last look."""
        seconds = int(now.timestamp())
        if self._looked == (live.revision, seconds):
            return
        changed, live.touched = live.touched | self._due(self._looked[1], seconds), set()
        self._looked = (live.revision, seconds)
        for patient_id in changed:
            self._renew(patient_id, live.people.get(patient_id), now)
        self.coming = min(self._ahead(now), default=None)

    def _due(self, before: int, seconds: int) -> set[UUID]:
        passed = seconds - before
        if not 0 <= passed < CARD_SECONDS:  # the clock was moved, or nobody looked for a while
            passed = CARD_SECONDS
        return set().union(*(self._turns[(seconds - back) % CARD_SECONDS] for back in range(passed)))

    def _renew(self, patient_id: UUID, person: Person | None, now: datetime) -> None:
        entry = self._entries.get(patient_id)
        if person is None:
            if entry is not None:
                self._take_out(entry)
                del self._entries[patient_id]
            return
        made = card(person.patient, now)
        order = (not made.hot, made.order or now, person.name, patient_id)
        if entry is None:
            entry = self._entries[patient_id] = Entry(person, made, order)
            self._put_in(entry)
        elif entry.card.stage is made.stage and entry.order == order:
            entry.person, entry.card = person, made
        else:
            self._take_out(entry)
            entry.person, entry.card, entry.order = person, made, order
            self._put_in(entry)

    def _put_in(self, entry: Entry) -> None:
        column = self.columns.get(entry.card.stage)
        if column is not None:  # who is closed stands in none
            insort(column, entry, key=_order)
            self._turn_of(entry).add(entry.person.patient_id)

    def _take_out(self, entry: Entry) -> None:
        column = self.columns.get(entry.card.stage)
        if column is not None:
            del column[bisect_left(column, entry.order, key=_order)]
            self._turn_of(entry).discard(entry.person.patient_id)

    def _turn_of(self, entry: Entry) -> set[UUID]:
        return self._turns[entry.person.patient_id.int % CARD_SECONDS]

    def _ahead(self, now: datetime) -> Iterator[tuple[datetime, str]]:
        """The first booked moment among those who are needed now, and among the others: each are in order of time."""
        for column in (self.columns[Stage.COURSE], self.columns[Stage.CONSULTATION]):
            for calm in (False, True):
                first = bisect_left(column, (calm, now, "", _BEFORE_ALL), key=_order)
                for entry in (column[place] for place in range(first, len(column))):
                    if entry.order[0] is not calm:
                        break
                    if entry.card.at is not None and not entry.card.since and entry.card.at > now:
                        yield entry.card.at, entry.person.name
                        break
