"""The board in memory: everybody's facts with their names opened, renewed as changes commit, and who waits for that.

The promise: what was committed is on the board at the latest one poll later; a page that was disconnected asks with
its cursor and learns whether it missed something. Nothing here outlives the process.
"""

import asyncio
import contextlib
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic
from uuid import UUID

import asyncpg
import structlog

from services.dashboard.domain.facts import Patient
from services.dashboard.repository import read_model as repository
from services.dashboard.repository.read_model import CHANNEL, Work
from shared.db.pool import connect
from shared.security.sealing import Box, Unsealable
from shared.service import Service

log = structlog.get_logger()
POLL_SECONDS = 1.0
SWEEP_SECONDS = 3600.0
MANY = 500
"""Patients that are read in one go: longer would keep all else of this process waiting."""
REST_TIMES, REST_SECONDS = 15, 30.0
"""After a round of more than that, the next one waits so many times as long as it took, and so long at most: a rebuild
changes thousands a second, and what shows them must not keep it from its work.
"""
QUOTE = 90


@dataclass(frozen=True, slots=True)
class Person:
    """A patient as the board knows them. `name` and `words` are open: this never leaves the process but as a page."""

    patient: Patient
    name: str
    words: str
    plain: str

    @property
    def patient_id(self) -> UUID:
        return self.patient.patient_id


@dataclass(eq=False, slots=True)
class Listener:
    """An open page; `patient_id` where it shows one patient."""

    patient_id: UUID | None
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class Live:
    """One per process."""

    def __init__(self) -> None:
        self.people: dict[UUID, Person] = {}
        self.work: dict[UUID, Work] = {}
        self.details: dict[UUID, str] = {}
        self.aliases: dict[UUID, UUID] = {}
        self.cursor = 0
        self.revision = 0
        """Counts what was taken over, for those who keep something made of it."""
        self.rushed = False
        """More changes at once than anybody could look at: the past is being read again."""
        self.touched: set[UUID] = set()
        """Who in `people` is new, another or gone; emptied by the one who keeps them in order."""
        self._alone: dict[UUID, Patient] = {}
        self._absorbed: dict[UUID, set[UUID]] = {}
        self._ready = asyncio.Event()
        self._listeners: set[Listener] = set()

    async def ready(self) -> None:
        """Until the board was filled once."""
        await self._ready.wait()

    async def follow(self, service: Service) -> None:
        """The job: fill, then take over what changes, woken by the commit and backed by a poll."""
        woken = asyncio.Event()
        conn = await connect(service.dsn, name="dashboard-live")
        try:
            await conn.add_listener(CHANNEL, lambda *_: woken.set())
            await self._fill(service)
            seen: dict[int, UUID | None] = {}
            swept = monotonic()
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await woken.wait()
                woken.clear()
                changes = await repository.since(conn, self.cursor)
                fresh = {key: who for key, who in changes.rows.items() if key not in seen}
                touched = set(fresh.values())
                began = monotonic()
                if fresh:
                    await self._renew(service, {who for who in touched if who is not None})
                self.cursor, seen = changes.cursor, changes.rows
                if fresh:
                    self._wake(touched)
                self.rushed = len(touched) > MANY
                if self.rushed:
                    await asyncio.sleep(min(REST_TIMES * (monotonic() - began), REST_SECONDS))
                if monotonic() - swept > SWEEP_SECONDS:
                    swept = monotonic()
                    await repository.sweep(conn)
        finally:
            await conn.close(timeout=2)

    async def changes(self, conn: asyncpg.Connection, cursor: int, patient_id: UUID | None) -> bool:
        """Whether a page that has seen everything up to `cursor` missed something."""
        return await repository.missed(conn, cursor, self.family(patient_id) if patient_id else None)

    @contextlib.contextmanager
    def listening(self, patient_id: UUID | None) -> Iterator[Listener]:
        """Register an open page for as long as it is."""
        listener = Listener(patient_id)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def survivor(self, patient_id: UUID) -> UUID:
        """Who this patient turned out to be, or themselves."""
        seen = {patient_id}
        while (following := self.aliases.get(patient_id)) is not None and following not in seen:
            patient_id = following
            seen.add(patient_id)
        return patient_id

    def family(self, patient_id: UUID) -> set[UUID]:
        """A patient with everyone who was merged into them."""
        return {patient_id} | self._absorbed.get(patient_id, set())

    def find(self, text: str, limit: int) -> list[Person]:
        """People whose name holds every word of `text`, in any order, whatever the accents."""
        words = plain(text).split()
        if not words:
            return []
        found = [who for who in self.people.values() if all(word in who.plain for word in words)]
        return sorted(found, key=lambda who: who.plain)[:limit]

    def name(self, patient_id: UUID | None) -> str:
        """A patient's name; empty where it is not known."""
        who = self.people.get(self.survivor(patient_id)) if patient_id else None
        return who.name if who else ""

    def _wake(self, ids: set[UUID | None]) -> None:
        for listener in self._listeners:
            shown = self.family(listener.patient_id) if listener.patient_id else None
            if shown is None or shown & ids:
                listener.woken.set()

    async def _fill(self, service: Service) -> None:
        async with service.reading() as uow:
            self.cursor = await repository.cursor(uow.conn)
        await self._renew(service, None)
        self._ready.set()
        self._wake({None, *self.people})

    async def _renew(self, service: Service, only: Collection[UUID] | None) -> None:
        async with service.reading() as uow:
            self._know(await repository.aliases(uow.conn))
            wanted = None if only is None else {self.survivor(one) for one in only} | set(only)
            if wanted is not None:
                wanted = set().union(*(self.family(one) for one in wanted)) if wanted else set()
            found = await repository.facts_by_patient(uow.conn, wanted)
            work = {task.task_id: task for task in await repository.open_work(uow.conn)}
            new_tasks = [task for key, task in work.items() if key not in self.work]
            boxes = await uow.keys.boxes({*found, *(task.subject for task in new_tasks)})
        for some in _by_and_by(list(found)):
            self._alone.update({one: repository.patient_of(one, found[one]) for one in some})
            await asyncio.sleep(0)
        for gone in (wanted or set()) - set(found):
            self._alone.pop(gone, None)
        self.details = {key: text for key, text in self.details.items() if key in work}
        self.details.update({task.task_id: opened(boxes.get(task.subject), task.detail) for task in new_tasks})
        self.work = work
        for some in _by_and_by(list(found if wanted is None else wanted)):
            self._join(some, boxes)
            await asyncio.sleep(0)
        self.revision += 1

    def _know(self, aliases: dict[UUID, UUID]) -> None:
        self.aliases, self._absorbed = aliases, {}
        for absorbed in aliases:
            self._absorbed.setdefault(self.survivor(absorbed), set()).add(absorbed)

    def _join(self, touched: Collection[UUID], boxes: dict[UUID, Box]) -> None:
        self.touched.update(touched)
        for patient_id in touched:
            if patient_id in self.aliases or patient_id not in self._alone:
                self.people.pop(patient_id, None)
                continue
            joined = self._alone[patient_id]
            for absorbed in sorted(self.family(patient_id) - {patient_id}):
                if absorbed in self._alone:
                    joined = joined.joined(self._alone[absorbed])
            box, intake = boxes.get(patient_id), joined.intake
            words = " ".join(opened(box, intake.message).split())
            quote = words if len(words) <= QUOTE else words[: QUOTE - 1].rstrip() + "…"
            name = opened(box, intake.name)
            self.people[patient_id] = Person(joined, name, quote, plain(name))


def _by_and_by(patients: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    return (patients[start : start + MANY] for start in range(0, len(patients), MANY))


def opened(box: Box | None, sealed: str | None) -> str:
    """The text, or nothing where there is none or its key is gone."""
    if box is None or sealed is None:
        return ""
    try:
        return box.open(sealed)
    except Unsealable:
        log.warning("dashboard.unsealable")
        return ""


def plain(text: str) -> str:
    """Lower case without accents, for comparing names."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()
