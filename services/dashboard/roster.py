"""Everybody by stage, who is needed most first; kept in order, and only what changed is put in its place anew."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.dashboard.domain.board import COLUMNS, Card, Stage, card
from services.dashboard.live import Live, Person

Order = tuple[bool, datetime, str, UUID]
CARD_SECONDS = 15
"""After so long a card is made anew: deadlines pass."""


@dataclass(eq=False, slots=True)
class Entry:
    """Somebody in their place. `turn` is the stretch of time for which the card was made."""

    person: Person
    card: Card
    order: Order
    turn: int


class Roster:
    """One per process; made of the board in memory."""

    def __init__(self) -> None:
        self.columns: dict[Stage, list[Entry]] = {stage: [] for stage in COLUMNS}
        self.coming: tuple[datetime, str] | None = None
        """The next booked moment, and who comes then."""
        self._entries: dict[UUID, Entry] = {}
        self._looked = (-1, -1)

    def look(self, live: Live, now: datetime) -> None:
        """Take over what changed since the last look."""
        seconds = int(now.timestamp())
        if self._looked == (live.revision, seconds):
            return
        self._looked = (live.revision, seconds)
        unsorted: set[Stage] = set()
        entries, changed = self._entries, False
        if len(entries) != len(live.people) or entries.keys() != live.people.keys():
            for gone in entries.keys() - live.people.keys():
                unsorted.add(entries.pop(gone).card.stage)
            changed = True
        for patient_id, person in live.people.items():
            entry = entries.get(patient_id)
            turn = _turn(patient_id, seconds)
            if entry is not None and entry.person is person and entry.turn == turn:
                continue
            changed = True
            unsorted |= self._renew(person, entry, now, turn)
        if changed:
            self._sort(unsorted, now)

    def _renew(self, person: Person, entry: Entry | None, now: datetime, turn: int) -> set[Stage]:
        """The stages whose order may be another."""
        made = card(person.patient, now)
        order = (not made.hot, made.order or now, person.name, person.patient_id)
        if entry is None:
            self._entries[person.patient_id] = Entry(person, made, order, turn)
            return {made.stage}
        before = entry.card.stage
        moved = before is not made.stage or entry.order != order
        entry.person, entry.card, entry.order, entry.turn = person, made, order, turn
        return {before, made.stage} if moved else set()

    def _sort(self, unsorted: set[Stage], now: datetime) -> None:
        found: dict[Stage, list[Entry]] = {stage: [] for stage in unsorted if stage in self.columns}
        if found:
            for entry in self._entries.values():
                if entry.card.stage in found:
                    found[entry.card.stage].append(entry)
            for entries in found.values():
                entries.sort(key=lambda it: it.order)
            self.columns.update(found)
        booked = (*self.columns[Stage.COURSE], *self.columns[Stage.CONSULTATION])
        ahead = ((it.card.at, it.person.name) for it in booked if it.card.at is not None and not it.card.since)
        self.coming = min((it for it in ahead if it[0] > now), default=None)


def _turn(patient_id: UUID, seconds: int) -> int:
    """Each has a second of their own at which their card is made anew, so that it is not the same one for all."""
    return (seconds + patient_id.int % CARD_SECONDS) // CARD_SECONDS
