"""A service's read model built anew from the event logs by its own handlers, and compared with the one that is there.

The promise: of each subject exactly those events are applied that the service has applied, as its position says in the
same snapshot; so what is still on its way is no difference. What differs all the same is looked at again.
"""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from passage.telling import Finding, Level
from passage.verifying.models import Model
from passage.verifying.scratch import Scratch
from shared.consuming import Consumes, Record
from shared.contracts.base import Source
from shared.contracts.envelope import Envelope
from shared.contracts.intake import LeadCreated, PatientErased
from shared.contracts.readers import read_from
from shared.contracts.topics import events_of
from shared.db.migrate import fill
from shared.inbox import incoming
from shared.inbox.applying import Applier
from shared.inbox.incoming import Incoming
from shared.inbox.positions import NUMBER

BATCH = 200
"""Subjects per snapshot: a long one would keep dead rows of the whole database from being cleaned away."""
LOOK_AGAIN_SECONDS = 1.0
CERTAIN = 1_000
"""With more differences than this nothing is passing any more: they are told without a second look."""
NAMED = 20
FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)

_NEXT = """
select subject from (
    (select subject from intake.streams where subject > $1 order by subject limit $2)
    union (select subject from assessment.streams where subject > $1 order by subject limit $2)
    union (select subject from scheduling.streams where subject > $1 order by subject limit $2)
    union (select subject from notifications.streams where subject > $1 order by subject limit $2)) s
 order by subject limit $2
"""
_APPLIED = """
select e.event_id, e.subject, e.sequence, e.partition, e.type, e.time, e.actor, e.correlation, e.causation,
       e.traceparent, e.body::text as body
  from {source}.event_log e
  join {consumer}.inbox i on i.source = $1 and i.subject = e.subject and e.sequence <= i.sequence
 where e.subject > $2 and e.subject <= $3 and i.subject > $2 and i.subject <= $3
 order by e.subject, e.sequence
"""
# Whose first events were archived: what can't be built anew can't be compared.
_HEADLESS = """
select i.subject from {consumer}.inbox i
 where i.source = $1 and i.subject > $2 and i.subject <= $3 and i.sequence > 0
   and exists (select from {source}.event_log_archive where events > 0)
   and not exists (select from {source}.event_log e where e.subject = i.subject and e.sequence = 1)
"""
_DROPPED = """
select source, subject, sequence from {consumer}.dead_letters
 where resolution = 'dropped' and subject > $1 and subject <= $2
"""
_LEAD_CREATED = LeadCreated.type_from("intake")
_PATIENT_ERASED = PatientErased.type_from("intake")


@dataclass(frozen=True, slots=True)
class Difference:
    """One row that is not what the events say. `told` names the fields; sealed words stay sealed."""

    subject: UUID
    table: str
    key: str
    told: str

    @property
    def place(self) -> tuple[UUID, str, str]:
        return (self.subject, self.table, self.key)

    def __str__(self) -> str:
        return f"{self.table} of {self.subject} ({self.key}): {self.told}"


@dataclass(slots=True)
class Compared:
    """What was looked at, and what was found."""

    subjects: int = 0
    events: int = 0
    archived: int = 0
    differences: list[Difference] = field(default_factory=list)


@dataclass(slots=True)
class _Range:
    """The events of some subjects as they were applied, and which of them a person went past.

    Left out are subjects that are just being erased, and `headless` ones, whose first events were archived.
    """

    items: list[Incoming] = field(default_factory=list)
    dropped: set[UUID] = field(default_factory=set)
    leaving: set[UUID] = field(default_factory=set)
    headless: set[UUID] = field(default_factory=set)


async def compare(owner: str, model: Model) -> Finding:
    """All of a service's read model."""
    began = time.monotonic()
    async with Scratch.of(owner, model.service) as scratch:
        found = Compared()
        after: UUID | None = FIRST
        while after is not None:
            until = await _until(scratch.conn, after, found)
            found.differences += await _surely(scratch, model, after, until or LAST, found)
            after = until
    return _told(model, found, time.monotonic() - began)


async def _until(conn: asyncpg.Connection, after: UUID, found: Compared) -> UUID | None:
    """The last subject of the next batch; None where there is none after it."""
    rows = await conn.fetch(_NEXT, after, BATCH)
    found.subjects += len(rows)
    return rows[-1]["subject"] if len(rows) == BATCH else None


async def _surely(scratch: Scratch, model: Model, after: UUID, until: UUID, found: Compared) -> list[Difference]:
    """What differs in two snapshots, a moment apart: what was only passing is gone by then."""
    suspected = await _look(scratch, model, after, until, found)
    if not suspected or len(found.differences) > CERTAIN:
        return suspected
    await asyncio.sleep(LOOK_AGAIN_SECONDS)
    before = {one.place for one in suspected}
    return [one for one in await _look(scratch, model, after, until, Compared()) if one.place in before]


async def _look(scratch: Scratch, model: Model, after: UUID, until: UUID, found: Compared) -> list[Difference]:
    async with scratch.snapshot():
        consumes = model.consumes()
        taken = await _events(scratch.conn, model, after, until)
        items = [item for item in taken.items if item.envelope.subject not in taken.headless]
        found.events += len(items)
        found.archived += len(taken.headless)
        failed = await _apply(scratch, consumes, items, taken.dropped)
        left_out = taken.leaving | taken.headless | failed.keys()
        differences = list(failed.values())
        for table, statement in model.tables.items():
            here = await _rows(scratch.conn, fill(statement, schema=model.service), after, until)
            fresh = await _rows(scratch.conn, fill(statement, schema="pg_temp"), after, until)
            for place in sorted(here.keys() | fresh.keys()):
                told = _difference(here.get(place), fresh.get(place))
                if told and place[0] not in left_out:
                    differences.append(Difference(place[0], table, place[1], told))
    return differences


async def _events(conn: asyncpg.Connection, model: Model, after: UUID, until: UUID) -> _Range:
    dropped = {
        (row["source"], row["subject"], row["sequence"])
        for row in await conn.fetch(fill(_DROPPED, consumer=model.service), after, until)
    }
    taken = _Range()
    for source in read_from(model.service):
        statement = fill(_APPLIED, source=source, consumer=model.service)
        rows = await conn.fetch(statement, NUMBER[source], after, until)
        taken.leaving |= _leaving(rows)
        headless = fill(_HEADLESS, source=source, consumer=model.service)
        taken.headless |= {row["subject"] for row in await conn.fetch(headless, NUMBER[source], after, until)}
        for row in rows:
            item = _incoming(source, row)
            taken.items.append(item)
            if (*item.key, item.envelope.sequence) in dropped:
                taken.dropped.add(item.envelope.id)
    return taken


def _leaving(rows: Sequence[asyncpg.Record]) -> set[UUID]:
    """Whose key is gone from the log while the service has not come to their erasure: it follows in a moment."""
    blanked = {
        row["subject"] for row in rows if row["type"] == _LEAD_CREATED and json.loads(row["body"]).get("key") is None
    }
    return blanked - {row["subject"] for row in rows if row["type"] == _PATIENT_ERASED}


def _incoming(source: Source, row: asyncpg.Record) -> Incoming:
    envelope = Envelope(
        id=row["event_id"],
        type=row["type"],
        source=source,
        subject=row["subject"],
        sequence=row["sequence"],
        time=row["time"],
        actor=row["actor"],
        correlationid=row["correlation"],
        causationid=row["causation"],
        traceparent=row["traceparent"],
    )
    return Incoming(envelope, Record(events_of(source), row["partition"], -1, None, row["body"].encode(), ()))


async def _apply(
    scratch: Scratch, consumes: Consumes, items: Sequence[Incoming], dropped: set[UUID]
) -> dict[UUID, Difference]:
    """Build the rows; subjects whose events can't be applied any more are told by name."""
    if not items:
        return {}
    try:
        for item in items:
            # What a person went past moves the position and does nothing else.
            if item.envelope.id not in dropped:
                incoming.validate(item, consumes)
        await Applier(consumes, scratch.unit).apply(items)
    except Exception as error:  # noqa: BLE001 - whatever it is, its subject is named
        subjects: dict[UUID, list[Incoming]] = defaultdict(list)
        for item in items:
            subjects[item.envelope.subject].append(item)
        if len(subjects) == 1:
            [subject] = subjects
            told = f"its events cannot be applied again: {type(error).__name__}"
            return {subject: Difference(subject, "all rows", f"{len(items)} events", told)}
        failed: dict[UUID, Difference] = {}
        for own in subjects.values():
            failed |= await _apply(scratch, consumes, own, dropped)
        return failed
    return {}


async def _rows(conn: asyncpg.Connection, statement: str, after: UUID, until: UUID) -> dict[tuple[UUID, str], str]:
    return {(row["subject"], row["key"]): row["row"] for row in await conn.fetch(statement, after, until)}


def _difference(here: str | None, fresh: str | None) -> str:
    """In words; empty where both are the same."""
    if here == fresh:
        return ""
    if here is None:
        return "missing here"
    if fresh is None:
        return "no event says so"
    fields = list(_fields(json.loads(here), json.loads(fresh), ""))
    return "; ".join(fields[:4]) + (f"; and {len(fields) - 4} more" if len(fields) > 4 else "")


def _fields(here: Any, fresh: Any, path: str) -> list[str]:
    if isinstance(here, dict) and isinstance(fresh, dict):
        found = []
        for name in sorted(here.keys() | fresh.keys()):
            if here.get(name) != fresh.get(name):
                found += _fields(here.get(name), fresh.get(name), f"{path}.{name}" if path else name)
        return found
    return [f"{path} is {_shown(here)}, rebuilt {_shown(fresh)}"]


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    if "s1." in text:
        return "(sealed)"
    return text if len(text) <= 48 else f"{text[:47]}…"


def _told(model: Model, found: Compared, seconds: float) -> Finding:
    what = f"{model.service}: {'read model' if model.applied is None else 'facts of others'}"
    figure = f"{found.subjects:,} subjects, {found.events:,} events applied anew in {seconds:.1f} s"
    if found.archived:
        figure += f", {found.archived:,} subjects left out, whose first events are archived"
    if not found.differences:
        return Finding(Level.FINE, what, f"{figure}, equal")
    subjects = len({one.subject for one in found.differences})
    named = [str(one) for one in found.differences[:NAMED]]
    if len(found.differences) > NAMED:
        named.append(f"and {len(found.differences) - NAMED} more rows")
    return Finding(
        Level.ACT,
        what,
        f"{figure}; {len(found.differences)} rows of {subjects} subjects differ",
        model.mend.format(service=model.service),
        tuple(named),
    )
