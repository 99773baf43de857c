"""What becomes of a record: applied, skipped, parked, handed over raw, or given up; and what people decided about it.

The promise: nothing is swallowed. What may work later is raised to the caller, who tries again; a batch that fails is
halved until one event is left, and only that one is parked or given up.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import asyncpg
import structlog

from shared.consuming import Consumes, Record
from shared.contracts.control import REPLAY_REQUESTED, ReplayRequested
from shared.contracts.envelope import NotAnEvent
from shared.contracts.topics import CONTROL, dead_letters_of, events_of
from shared.errors import NotYet, Permanent
from shared.eventlog import cursor
from shared.inbox import dead_letters, incoming, positions
from shared.inbox.applying import Applier, Key, Open
from shared.inbox.dead_letters import Wanted
from shared.inbox.incoming import Incoming
from shared.inbox.positions import NAME
from shared.inbox.raw import RawRecords
from shared.inbox.trying import LATER, RETRY_SECONDS, SHARES, WORTH_SHARING, all_to_their_end
from shared.security.keyring import Keyring
from shared.telemetry import metrics

log = structlog.get_logger()
GAP_PATIENCE_SECONDS = 10.0
Publish = Callable[[str, bytes, dict[str, str]], Awaitable[None]]
"""Put a value with headers on a topic, by the topic's declared name."""


class Handling:
    """One service's. `opened` opens a transaction with a unit of work."""

    def __init__(self, service: str, consumes: Consumes, opened: Open, keyring: Keyring, publish: Publish) -> None:
        self._service = service
        self._consumes = consumes
        self._open = opened
        self._keyring = keyring
        self._publish = publish
        self._applier = Applier(consumes, opened)
        self._raw = RawRecords(consumes, opened, self._give_up)
        self._asked: dict[Key, float] = {}

    async def handle(self, records: Sequence[Record]) -> None:
        """Take a batch in, whatever is in it; raises only what may work later."""
        events: list[Incoming] = []
        raw: dict[str, list[Record]] = {}
        for record in records:
            if record.topic == CONTROL:
                await self._control(record)
            elif record.topic in self._consumes.raw_handlers:
                raw.setdefault(record.topic, []).append(record)
            else:
                item = await self._read(record)
                if item is not None:
                    events.append(item)
        for topic, found in raw.items():
            await self._raw.abreast(topic, found)
        if len(events) < WORTH_SHARING:
            await self._apply(events)
        else:
            await self._abreast(events)

    async def _abreast(self, items: Sequence[Incoming]) -> None:
        """Apply many events as several replicas would, each its subjects: one computes while the database writes for
        the others.
        """
        shares: list[list[Incoming]] = [[] for _ in range(SHARES)]
        for item in items:
            shares[item.envelope.subject.int % SHARES].append(item)
        await all_to_their_end(map(self._apply, shares))

    async def _read(self, record: Record) -> Incoming | None:
        try:
            item = incoming.read(record)
        except NotAnEvent as error:
            await self._give_up(record, None, "not an event", str(error))
            return None
        if events_of(item.envelope.source) != record.topic:
            await self._give_up(record, None, "not an event", "ce_source does not own this topic")
            return None
        return item

    async def _apply(self, items: Sequence[Incoming]) -> None:
        if not items:
            return
        try:
            for item in items:
                incoming.validate(item, self._consumes)
            outcome = await self._applier.apply(items)
        except LATER:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is decided in _alone
            if len(items) == 1:
                await self._alone(items[0], error)
                return
            log.info("batch_halved", events=len(items), error=type(error).__name__)
            middle = len(items) // 2
            await self._apply(items[:middle])
            await self._apply(items[middle:])
        else:
            await self.ask(outcome.gaps)
            await self.release(outcome.moved)

    async def _alone(self, item: Incoming, error: Exception) -> None:
        """One event failed by itself: park it, try it again, or give it up.

        What a person has not decided on yet and comes again has had its tries: a batch full of it would else take
        longer than its group waits for this consumer, and come again, and again.
        """
        async with self._open() as uow:
            tries = iter(() if await positions.blocked(uow.conn, [item.key]) else RETRY_SECONDS)
        while not isinstance(error, NotYet | Permanent):
            pause = next(tries, None)
            if pause is None:
                break
            await asyncio.sleep(pause)
            try:
                outcome = await self._applier.apply([item])
            except LATER:
                raise
            except Exception as again:  # noqa: BLE001 - as above
                error = again
            else:
                await self.ask(outcome.gaps)
                await self.release(outcome.moved)
                return
        if isinstance(error, NotYet):
            await self._applier.park(item, f"needs:{error}")
        else:
            await self._give_up(
                item.record,
                item,
                "permanent" if isinstance(error, Permanent) else "exhausted",
                str(error) if isinstance(error, Permanent) else type(error).__name__,
            )
            log.error("event_given_up", type=item.envelope.type, event_id=str(item.envelope.id), exc_info=error)

    async def _give_up(self, record: Record, item: Incoming | None, reason: str, error: str) -> None:
        """Into the table, then onto the dead-letter topic; the offset is committed only after both."""
        async with self._open() as uow:
            sealed = await dead_letters.keep(
                uow.conn, self._keyring, record, item.envelope if item else None, reason=reason, error=error
            )
        headers = {"reason": reason, "error": error[:500], "topic": record.topic}
        await self._publish(dead_letters_of(self._service), sealed.encode(), headers)
        metrics.DEAD_LETTERS.labels(record.topic).inc()

    async def release(self, subjects: set[UUID]) -> None:
        """Apply what was parked for these subjects, for as long as that moves something."""
        while subjects:
            async with self._open() as uow:
                parked = await positions.waiting(uow.conn, subjects)
            moved: set[UUID] = set()
            for subject in {event.subject for event in parked}:
                moved |= await self._release(
                    [
                        incoming.from_parked(event, events_of(NAME[event.source]))
                        for event in parked
                        if event.subject == subject
                    ]
                )
            subjects = moved

    async def _release(self, items: Sequence[Incoming]) -> set[UUID]:
        """Apply a subject's parked events; one that can't be applied keeps those behind it and no others."""
        try:
            for item in items:
                incoming.validate(item, self._consumes)
            return (await self._applier.release(items)).moved
        except LATER:
            raise
        except Exception as error:
            if len(items) > 1:
                return await self._release_each(items)
            if not isinstance(error, NotYet):
                await self._give_up(
                    items[0].record,
                    items[0],
                    "permanent",
                    str(error) if isinstance(error, Permanent) else type(error).__name__,
                )
                log.error("parked_event_given_up", type=items[0].envelope.type, exc_info=error)
            return set()

    async def _release_each(self, items: Sequence[Incoming]) -> set[UUID]:
        moved: set[UUID] = set()
        for item in items:
            moved |= await self._release([item])
        return moved

    async def ask(self, gaps: dict[Key, int]) -> None:
        """Ask the producer's relay to publish again what is missing; not more often than patience allows."""
        now = asyncio.get_running_loop().time()
        for key, sequence in gaps.items():
            if now - self._asked.get(key, -GAP_PATIENCE_SECONDS) < GAP_PATIENCE_SECONDS:
                continue
            self._asked[key] = now
            request = ReplayRequested(
                source=NAME[key[0]], subject=key[1], from_sequence=sequence, group=f"passage.{self._service}"
            )
            await self._publish(CONTROL, request.model_dump_json().encode(), {"ce_type": REPLAY_REQUESTED})
            log.info("replay_requested", source=NAME[key[0]], subject=str(key[1]), sequence=sequence)
        if len(self._asked) > 10_000:
            self._asked.clear()

    async def _control(self, record: Record) -> None:
        """A consumer asks: if it is this service's log, the relay finds the row."""
        try:
            request = ReplayRequested.model_validate_json(record.value)
        except ValueError:
            await self._give_up(record, None, "not a request", "passage.control.v1 takes ReplayRequested")
            return
        if request.source != self._service:
            return
        try:
            async with self._open() as uow:
                await cursor.request_subject(uow.conn, request.subject, request.from_sequence, request.group)
        except asyncpg.DataError:  # a number or a name that no log can hold: it would come again for ever
            await self._give_up(record, None, "not a request", "it asks for what no log can hold")

    async def decide(self, letter: Wanted) -> None:
        """Do what a person wants of a dead letter: apply it again, or go past it."""
        if letter.wanted == "drop":
            await self._pass(letter)
            done = True
        elif letter.record.topic in self._consumes.raw_handlers:
            done = await self._raw.alone(letter.record)
        else:
            await self.handle([letter.record])
            done = await self._stands_past(letter)
        async with self._open() as uow:
            if done:
                await dead_letters.resolve(uow.conn, self._keyring, letter)
            else:
                await dead_letters.refuse(uow.conn, letter.id)
        if letter.subject:
            await self.release({letter.subject})

    async def _stands_past(self, letter: Wanted) -> bool:
        if letter.source is None or letter.subject is None or letter.sequence is None:
            return False
        async with self._open() as uow:
            return await positions.lock(uow.conn, letter.source, letter.subject) >= letter.sequence

    async def _pass(self, letter: Wanted) -> None:
        if letter.source is None or letter.subject is None or letter.sequence is None:
            return
        async with self._open() as uow:
            if await positions.lock(uow.conn, letter.source, letter.subject) == letter.sequence - 1:
                await positions.advance(uow.conn, letter.source, letter.subject, letter.sequence)
