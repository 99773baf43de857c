"""Apply a batch of events: each once, in its subject's order, or keep it and say why.

The promise: the positions move in the transaction of the effects. Not newer → skipped; the next → applied; further
ahead, or in need of a patient who is not known yet → parked. A patient's key comes with LeadCreated and goes with
PatientErased; a service has nothing to do for either.

Types are compared with `is` where every event passes: asking a contract's class whether something is one of it takes
half a microsecond, a dozen times an event.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from shared.consuming import Consumes
from shared.contracts.base import Event, PatientEvent, WrappedKey
from shared.contracts.envelope import Envelope
from shared.contracts.intake import LeadCreated, PatientErased
from shared.contracts.tasks import TaskRaised
from shared.inbox import positions
from shared.inbox.incoming import Incoming
from shared.inbox.positions import NAME, NUMBER, Run
from shared.security.keys import KeyState
from shared.telemetry import metrics, trace
from shared.uow import UnitOfWork

log = structlog.get_logger()
Open = Callable[[], AbstractAsyncContextManager[UnitOfWork]]
Key = tuple[int, UUID]


@dataclass(slots=True)
class Outcome:
    """What one transaction did: subjects that moved, and the first missing sequence of each gap."""

    applied: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    parked: Counter[str] = field(default_factory=Counter)
    moved: set[UUID] = field(default_factory=set)
    gaps: dict[Key, int] = field(default_factory=dict)

    def count(self) -> None:
        """Add to the process's metrics, after the commit."""
        for metric, counts in (
            (metrics.INBOX_APPLIED, self.applied),
            (metrics.INBOX_SKIPPED, self.skipped),
            (metrics.INBOX_PARKED, self.parked),
            (metrics.GAPS, Counter(NAME[source] for source, _ in self.gaps)),
        ):
            for source, count in counts.items():
                metric.labels(source).inc(count)
        if self.gaps:
            log.warning("inbox_gap", subjects=len(self.gaps))


class Applier:
    """Applies events in transactions that `opened` opens; the caller decides what an exception means."""

    def __init__(self, consumes: Consumes, opened: Open) -> None:
        self._consumes = consumes
        self._open = opened

    async def apply(self, batch: Sequence[Incoming]) -> Outcome:
        """Apply a batch in one transaction, or raise and leave no trace."""
        # No order is promised between topics; intake first saves most of the waiting for a LeadCreated.
        ordered = sorted(batch, key=lambda item: NUMBER[item.envelope.source])
        groups: dict[Key, list[Incoming]] = {}
        for item in ordered:
            groups.setdefault(item.key, []).append(item)
        async with self._open() as uow:
            attempt = _Attempt(uow, self._consumes)
            await attempt.at_once(ordered, groups)
            if groups:
                await attempt.look_up(groups.values())
                await attempt.slowly(groups)
            await attempt.tell()
        attempt.outcome.count()
        return attempt.outcome

    async def release(self, waiting: Sequence[Incoming]) -> Outcome:
        """Apply what was parked, as far as its turn has come. `waiting` is in order per source and subject."""
        async with self._open() as uow:
            attempt = _Attempt(uow, self._consumes)
            groups: dict[Key, list[Incoming]] = {}
            for item in waiting:
                groups.setdefault(item.key, []).append(item)
            await attempt.look_up(groups.values())
            for key in sorted(groups):
                await positions.unpark(uow.conn, *key, await attempt.advance(key, groups[key]))
            await attempt.tell()
        attempt.outcome.count()
        return attempt.outcome

    async def park(self, item: Incoming, reason: str) -> None:
        """Keep one event until the subject's next progress; its position stays where it is."""
        async with self._open() as uow:
            await positions.park(uow.conn, item.parked(reason))
        metrics.INBOX_PARKED.labels(item.envelope.source).inc()


@dataclass(slots=True)
class _Attempt:
    """One transaction's work. `known` says which patients this service has heard of; `held` is what needs another."""

    uow: UnitOfWork
    consumes: Consumes
    known: dict[UUID, KeyState] = field(default_factory=dict)
    held: set[UUID] = field(default_factory=set)
    outcome: Outcome = field(default_factory=Outcome)
    gathered: list[tuple[Event, Envelope]] = field(default_factory=list)
    adopted: set[UUID] = field(default_factory=set)

    async def at_once(self, ordered: Sequence[Incoming], groups: dict[Key, list[Incoming]]) -> None:
        """Apply every subject whose events are exactly its next ones, in the batch's order; the others stay in
        `groups`.
        """
        arriving = {item.envelope.subject for item in ordered if type(item.event) is LeadCreated}
        runs = [run for items in groups.values() if (run := _clean_run(items, arriving)) is not None]
        by_key = {(run.source, run.subject): run for run in runs}
        moved: list[Incoming] = []
        for key, erased in (await positions.move(self.uow.conn, runs)).items():
            moved += groups.pop(key)
            if erased and (patient := by_key[key].patient) is not None:
                self.known[patient] = KeyState.ERASED
        await self.adopt(moved)
        # Each in its place: what one source says of a patient may rest on what another has said before.
        for item in ordered if not groups else [item for item in ordered if item.key not in groups]:
            await self.dispatch(item)

    async def look_up(self, groups: Iterable[Sequence[Incoming]]) -> None:
        """Find out who is known, and hold back what is about somebody who is not, with all that follows it."""
        batch = [item for items in groups for item in items]
        wanted = {patient for item in batch if (patient := _patient_of(item)) is not None}
        known = await self.uow.keys.states(wanted) if wanted else {}
        known.update(self.known)
        arriving = {item.envelope.subject for item in batch if type(item.event) is LeadCreated}
        behind: set[Key] = set()
        for item in batch:
            patient = _patient_of(item)
            if item.key in behind or (patient is not None and patient not in known and patient not in arriving):
                self.held.add(item.envelope.id)
                behind.add(item.key)
        self.known = known

    async def adopt(self, items: Sequence[Incoming]) -> None:
        """Keep the keys that came with these events, all in one statement, ahead of what needs them."""
        keys = {item.envelope.subject: key for item in items if (key := _key_of(item)) is not None}
        if keys:
            await self.uow.keys.adopt_many(keys)
            self.adopted.update(keys)

    async def slowly(self, rest: dict[Key, list[Incoming]]) -> None:
        """Repetitions, overlaps, gaps and events that need another source: subject by subject, under its lock."""
        blocked = await positions.blocked(self.uow.conn, list(rest))
        for key in sorted(rest):
            items = sorted(rest[key], key=lambda item: item.envelope.sequence)
            position = await self.advance(key, items)
            for item in items:
                if item.envelope.sequence > position:
                    await self._park(item, position, key in blocked)

    async def advance(self, key: Key, items: Sequence[Incoming]) -> int:
        """Apply those whose turn it is and move the position; returns where it stands."""
        start = position = await positions.lock(self.uow.conn, *key)
        for item in items:
            if item.envelope.sequence <= position:
                self.outcome.skipped[item.envelope.source] += 1
            elif item.envelope.sequence == position + 1 and item.envelope.id not in self.held:
                await self.dispatch(item)
                position += 1
        if position != start:
            await positions.advance(self.uow.conn, *key, position)
        return position

    async def _park(self, item: Incoming, position: int, blocked: bool) -> None:
        reason = "predecessor" if blocked else "gap"
        if item.envelope.id in self.held and not _misses_its_own_lead(item, position):
            reason = "needs:LeadCreated"
        if await positions.park(self.uow.conn, item.parked(reason)):
            self.outcome.parked[item.envelope.source] += 1
        if reason == "gap":
            self.outcome.gaps.setdefault(item.key, position + 1)

    async def dispatch(self, item: Incoming) -> None:
        """Call the event's handler, with the envelope's journey and trace."""
        self.outcome.applied[item.envelope.source] += 1
        self.outcome.moved.add(item.envelope.subject)
        event = item.event
        if event is None:
            return
        key = _key_of(item)
        if key is not None:
            if event.subject not in self.adopted:
                await self.uow.keys.adopt(event.subject, key)
        elif type(event) is LeadCreated:
            await self._bury(event.subject)
        if type(event) is PatientErased:
            await self._handle(item)
            await self.tell()
            for subject in (event.patient_id, *event.also):
                await self._bury(subject)
        elif not (self.known and isinstance(event, PatientEvent) and self._is_erased(event.patient_id)):
            await self._handle(item)

    async def tell(self) -> None:
        """Hand over what was gathered for a service that takes events together."""
        if self.gathered:
            assert self.consumes.batch_handler is not None
            told, self.gathered = self.gathered, []
            await self.consumes.batch_handler(self.uow, told)

    def _is_erased(self, patient: UUID) -> bool:
        return self.known.get(patient) is KeyState.ERASED

    async def _bury(self, subject: UUID) -> None:
        await self.uow.keys.destroy(subject)
        self.known[subject] = KeyState.ERASED

    async def _handle(self, item: Incoming) -> None:
        envelope = item.envelope
        handler = self.consumes.handlers.get(envelope.type)
        if handler is None:
            return
        if self.consumes.batch_handler is not None:
            assert item.event is not None
            self.gathered.append((item.event, envelope))
            return
        if not trace.recording():
            with trace.HandedOn(envelope.traceparent) as traceparent:
                await handler(self.uow.because_of(envelope, traceparent), item.event, envelope)
            return
        with trace.span_from(envelope.traceparent, f"consume {envelope.name}"):
            uow = self.uow.because_of(envelope, trace.current_traceparent() or envelope.traceparent)
            await handler(uow, item.event, envelope)


def _clean_run(items: Sequence[Incoming], arriving: Collection[UUID]) -> Run | None:
    """A subject's events as one run about one patient; None where they are not one."""
    first = items[0]
    before = sequence = first.envelope.sequence - 1
    patient: UUID | None = None
    for item in items:
        sequence += 1
        if item.envelope.sequence != sequence:
            return None
        about = _subject_of_care(item)
        if about is not None and about != patient:
            if patient is not None:
                return None
            patient = about
    return Run(*first.key, before, sequence, patient, patient in arriving)


def _subject_of_care(item: Incoming) -> UUID | None:
    """The patient whose event it is, LeadCreated included."""
    return item.envelope.subject if type(item.event) is LeadCreated else _patient_of(item)


def _misses_its_own_lead(item: Incoming, position: int) -> bool:
    """Whether the LeadCreated that it needs is its own predecessor: waiting for it would be waiting for ever."""
    at = item.envelope
    return at.source == "intake" and at.subject == _patient_of(item) and at.sequence > position + 1


def _patient_of(item: Incoming) -> UUID | None:
    """The patient that must be known before this event; None where it introduces them, or is about none."""
    return None if type(item.event) is LeadCreated else getattr(item.event, "patient_id", None)


def _key_of(item: Incoming) -> WrappedKey | None:
    """The data key that travels with an event: a patient's with LeadCreated, a task's where it has no patient."""
    event = item.event
    return event.key if type(event) is LeadCreated or type(event) is TaskRaised else None
