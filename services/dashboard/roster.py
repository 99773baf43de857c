"""Everybody by stage, who is needed most first; kept in order, and only what changed is put in its place anew."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.dashboard.domain.board import COLUMNS, Card, Stage
from services.dashboard.live import CARD_SECONDS, Live, Person

Order = tuple[bool, datetime, str, UUID]


@dataclass(eq=False, slots=True)
class Entry:
    """Somebody in their place. `moment` is the time for which the card was made: deadlines pass."""

    person: Person
    card: Card
    order: Order
    offset: int
    moment: int


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
            if (
                entry is not None
                and entry.person is person
                and (seconds + entry.offset) // CARD_SECONDS == entry.moment
            ):
                continue
            changed = True
            unsorted |= self._renew(live, patient_id, person, entry, now, seconds)
        if changed:
            self._sort(unsorted, now)

    def _renew(
        self, live: Live, patient_id: UUID, person: Person, entry: Entry | None, now: datetime, seconds: int
    ) -> set[Stage]:
        """The stages whose order may be another."""
        card = live.card(person, now)
        order = (not card.hot, card.order or now, person.name, patient_id)
        offset = patient_id.int % CARD_SECONDS
        moment = (seconds + offset) // CARD_SECONDS
        if entry is None:
            self._entries[patient_id] = Entry(person, card, order, offset, moment)
            return {card.stage}
        before = entry.card.stage
        moved = before is not card.stage or entry.order != order
        entry.person, entry.card, entry.order, entry.moment = person, card, order, moment
        return {before, card.stage} if moved else set()

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
