"""Every statement on the read model: facts, story, work, aliases, and what changed of them."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from services.dashboard.domain.facts import Patient
from services.dashboard.domain.fold import MODELS, Facts
from services.dashboard.domain.funnel import Times
from shared.contracts.base import Source

CHANNEL = "dashboard_changes"
Said = dict[Source, str]

# Each by itself (`limit`): a join may read all facts, by a plan that was made when there were few.
FACTS = """
select f.patient_id, f.source, f.facts from unnest($1::uuid[], $2::text[]) as wanted (patient_id, source)
 cross join lateral (select patient_id, source, facts from facts f
                      where f.patient_id = wanted.patient_id and f.source = wanted.source limit 1) f
"""
SAVE_FACTS = """
insert into facts (patient_id, source, facts)
select f.patient_id, f.source, f.facts::jsonb
  from unnest($1::uuid[], $2::text[], $3::text[]) as f (patient_id, source, facts) order by 1, 2
on conflict (patient_id, source) do update set facts = excluded.facts
"""
ALL_FACTS = "select patient_id, source, facts from facts"
FACTS_OF = "select patient_id, source, facts from facts where patient_id = any($1::uuid[])"
# One round trip for what every event does; open pages are woken when the transaction commits.
TELL = """
with told as (
    insert into story (source, subject, sequence, patient_id, type, at, actor, payload)
    select t.source, t.subject, t.sequence, t.patient_id, t.type, t.at, t.actor, t.payload::jsonb
      from unnest($1::text[], $2::uuid[], $3::bigint[], $4::uuid[], $5::text[], $6::timestamptz[], $7::text[],
                  $8::text[]) as t (source, subject, sequence, patient_id, type, at, actor, payload)
    on conflict do nothing
), changed as (
    insert into changes (patient_id) select unnest($9::uuid[])
)
select pg_notify('dashboard_changes', '')
"""
# What no event tells: every open page looks again when the transaction commits.
LOOK_AGAIN = """
with changed as (
    insert into changes (patient_id) values (null)
)
select pg_notify('dashboard_changes', '')
"""
STORY = """
select source, subject, sequence, patient_id, type, at, actor, payload from story
 where patient_id = any($1::uuid[]) order by at desc, source, sequence desc limit $2
"""
# The types as in the index, which PostgreSQL only takes where it sees them.
MILESTONES = """
select patient_id, type, min(at) as first, max(at) as last from story
 where type in ('passage.intake.LeadCreated.v1', 'passage.intake.ExternalBookingReceived.v1',
                'passage.scheduling.ConsultationScheduled.v1', 'passage.assessment.AssessmentCompleted.v1',
                'passage.assessment.CandidateApproved.v1', 'passage.assessment.CandidateDeclined.v1',
                'passage.assessment.AlternativeRecommended.v1', 'passage.scheduling.SessionCompleted.v1')
   and patient_id is not null
 group by patient_id, type
"""
MERGE = "insert into aliases (patient_id, absorbed_id) values ($1, $2) on conflict do nothing"
UNMERGE = "delete from aliases where patient_id = $1 and absorbed_id = $2"
ALIASES = "select patient_id, absorbed_id from aliases"
MERGED = """
select distinct on (payload ->> 'absorbed_id') (payload ->> 'absorbed_id')::uuid as absorbed_id, at, actor from story
 where patient_id = $1 and type = 'passage.intake.LeadMerged.v1' order by payload ->> 'absorbed_id', at desc
"""
RAISED = """
insert into work
       (task_id, source, subject, patient_id, kind, occurrence, role, deadline, appointment_id, detail, raised_at)
select * from unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[],
                     $8::timestamptz[], $9::uuid[], $10::text[], $11::timestamptz[])
on conflict do nothing
"""
# Named twice (`any`): by the join alone the plan of an empty house reads all work.
CLOSED = """
update work set closed_at = d.at, outcome = d.outcome
  from unnest($1::uuid[], $2::timestamptz[], $3::text[]) as d (task_id, at, outcome)
 where work.task_id = d.task_id and work.task_id = any($1::uuid[])
"""
OPEN_WORK = """
select task_id, source, subject, patient_id, kind, occurrence, role, deadline, appointment_id, detail, raised_at
  from work
 where closed_at is null order by deadline nulls last, raised_at
"""
TASK = """
select task_id, source, subject, patient_id, kind, occurrence, role, deadline, appointment_id, detail, raised_at
  from work
 where task_id = $1
"""
ERASE = (
    "delete from story where patient_id = $1",
    "delete from facts where patient_id = $1",
    "delete from work where patient_id = $1",
    "delete from findable where patient_id = $1",
)
# One statement, so that the rows and the new cursor come from one snapshot. What was given an id before the cursor but
# committed after it has a transaction id at or above it, and is found the next time.
SINCE = """
select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as cursor, c.id, c.patient_id
  from (select 1) one left join changes c on c.xid >= $1::bigint::text::xid8
"""
NOW = "select pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
# A day's changes may be a million; who was away is told whether there were any, not which. Where the oldest that is
# kept came after the cursor, others may have been swept. In the order of the index, which a plain `exists` leaves aside
# in an empty house.
MISSED = """
select $1::bigint > pg_snapshot_xmin(pg_current_snapshot())::text::bigint
    or coalesce((select min(xid) from changes) > $1::bigint::text::xid8, true)
    or (select true from changes
         where xid >= $1::bigint::text::xid8 and ($2::uuid[] is null or patient_id = any($2::uuid[]))
         order by xid desc limit 1) is not null
"""
# By `now()`, which stands still in a statement and so may be looked for in an index.
SWEEP = "delete from changes where at < now() - interval '1 day'"
READERS = """
select actor, max(at) as at from audit where subject = $1 and action = 'read' and actor like 'staff:%'
 group by actor order by at desc limit 6
"""


class Line(NamedTuple):
    """An event on its way into the story; `payload` is its JSON text."""

    source: Source
    subject: UUID
    sequence: int
    patient_id: UUID | None
    type: str
    at: datetime
    actor: str
    payload: str


class Done(NamedTuple):
    """A task that was closed."""

    task_id: UUID
    at: datetime
    outcome: str


@dataclass(frozen=True, slots=True)
class Told:
    """An event of the story; sealed fields are still sealed."""

    source: str
    sequence: int
    patient_id: UUID
    type: str
    at: datetime
    actor: str
    payload: dict[str, Any]

    @property
    def name(self) -> str:
        """`LeadCreated`."""
        return self.type.split(".")[2]


@dataclass(frozen=True, slots=True)
class Work:
    """An open task, of any service. `detail` is sealed for `subject`."""

    task_id: UUID
    source: str
    subject: UUID
    patient_id: UUID | None
    kind: str
    occurrence: str
    role: str
    deadline: datetime | None
    appointment_id: UUID | None
    detail: str | None
    raised_at: datetime


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes since a cursor: by id, so that one that is seen again can be told apart. `patient_id` may be null."""

    cursor: int
    rows: dict[int, UUID | None]


async def facts_of(conn: asyncpg.Connection, keys: Collection[tuple[UUID, Source]]) -> dict[tuple[UUID, Source], Facts]:
    """One producer's facts of each patient asked for; empty ones where nothing was said yet."""
    found: dict[tuple[UUID, Source], Facts] = {key: MODELS[key[1]]() for key in keys}
    rows = await conn.fetch(FACTS, [patient for patient, _ in keys], [source for _, source in keys]) if keys else ()
    for row in rows:
        found[(row["patient_id"], row["source"])] = MODELS[row["source"]].model_validate_json(row["facts"])
    return found


async def save_facts(conn: asyncpg.Connection, told: dict[tuple[UUID, Source], Facts]) -> None:
    if told:
        facts = [one.model_dump_json(exclude_defaults=True) for one in told.values()]
        await conn.execute(SAVE_FACTS, [patient for patient, _ in told], [source for _, source in told], facts)


async def facts_by_patient(conn: asyncpg.Connection, only: Collection[UUID] | None = None) -> dict[UUID, Said]:
    """Facts of all producers by patient; of `only` these, where given."""
    rows = await (conn.fetch(ALL_FACTS) if only is None else conn.fetch(FACTS_OF, list(only)))
    found: dict[UUID, Said] = {}
    for patient_id, source, facts in rows:
        found.setdefault(patient_id, {})[source] = facts
    return found


def patient_of(patient_id: UUID, said: Said) -> Patient:
    """Read a patient's facts, each source's as the JSON that is kept of it."""
    facts = {source: MODELS[source].model_validate_json(kept) for source, kept in said.items()}
    return Patient.model_validate({"patient_id": patient_id, **facts})


async def tell(conn: asyncpg.Connection, lines: Sequence[Line], touched: Collection[UUID | None]) -> None:
    """Add events to the story, once, and have open pages of those they touched renewed at commit."""
    await conn.execute(TELL, *map(list, zip(*lines, strict=True)), list(touched))


async def story(conn: asyncpg.Connection, patient_ids: Collection[UUID], limit: int) -> list[Told]:
    """The newest events first."""
    return [
        Told(
            row["source"],
            row["sequence"],
            row["patient_id"],
            row["type"],
            row["at"],
            row["actor"],
            json.loads(row["payload"]),
        )
        for row in await conn.fetch(STORY, list(patient_ids), limit)
    ]


async def milestones(conn: asyncpg.Connection) -> list[tuple[UUID, str, Times]]:
    """Who came to which step of the way, and when."""
    rows = await conn.fetch(MILESTONES)
    return [(row["patient_id"], row["type"], Times(row["first"], row["last"])) for row in rows]


async def merge(conn: asyncpg.Connection, patient_id: UUID, absorbed_id: UUID) -> None:
    await conn.execute(MERGE, patient_id, absorbed_id)


async def unmerge(conn: asyncpg.Connection, patient_id: UUID, absorbed_id: UUID) -> None:
    await conn.execute(UNMERGE, patient_id, absorbed_id)


async def aliases(conn: asyncpg.Connection) -> dict[UUID, UUID]:
    """Absorbed patient to the one they turned out to be."""
    rows = await conn.fetch(ALIASES)
    return {row["absorbed_id"]: row["patient_id"] for row in rows}


async def merged(conn: asyncpg.Connection, patient_id: UUID) -> dict[UUID, tuple[datetime, str]]:
    """Who was ever merged into this patient: when last, and by whom."""
    rows = await conn.fetch(MERGED, patient_id)
    return {row["absorbed_id"]: (row["at"], row["actor"]) for row in rows}


async def raised(conn: asyncpg.Connection, works: Sequence[Work]) -> None:
    """Keep new tasks."""
    rows = [
        (
            work.task_id, work.source, work.subject, work.patient_id, work.kind, work.occurrence, work.role,
            work.deadline, work.appointment_id, work.detail, work.raised_at,
        )
        for work in works
    ]  # fmt: skip
    if rows:
        await conn.execute(RAISED, *map(list, zip(*rows, strict=True)))


async def closed(conn: asyncpg.Connection, done: Sequence[Done]) -> None:
    """Close tasks; each is named once."""
    if done:
        await conn.execute(CLOSED, *map(list, zip(*done, strict=True)))


async def erase(conn: asyncpg.Connection, patient_id: UUID) -> None:
    """Nothing of an erased patient stays, so that a rebuild, which skips their events, ends in the same state."""
    for statement in ERASE:
        await conn.execute(statement, patient_id)


async def open_work(conn: asyncpg.Connection) -> list[Work]:
    """All open tasks, the nearest deadline first."""
    return [Work(**dict(row)) for row in await conn.fetch(OPEN_WORK)]


async def task(conn: asyncpg.Connection, task_id: UUID) -> Work | None:
    row = await conn.fetchrow(TASK, task_id)
    return None if row is None else Work(**dict(row))


async def look_again(conn: asyncpg.Connection) -> None:
    """Tell every open page that something is different which no event tells of."""
    await conn.execute(LOOK_AGAIN)


async def cursor(conn: asyncpg.Connection) -> int:
    """Where changes begin that are not visible yet."""
    return int(await conn.fetchval(NOW))


async def since(conn: asyncpg.Connection, cursor: int) -> Changes:
    """What changed at or after a cursor, and the next cursor."""
    rows = await conn.fetch(SINCE, cursor)
    return Changes(rows[0]["cursor"], {row["id"]: row["patient_id"] for row in rows if row["id"] is not None})


async def missed(conn: asyncpg.Connection, cursor: int, patients: Collection[UUID] | None) -> bool:
    """Whether something changed at or after a cursor, with one of these patients where they are given.

    Also where nobody can tell any more, or the cursor is none of ours.
    """
    return bool(await conn.fetchval(MISSED, cursor, None if patients is None else list(patients)))


async def sweep(conn: asyncpg.Connection) -> None:
    await conn.execute(SWEEP)


async def readers(conn: asyncpg.Connection, patient_id: UUID) -> list[tuple[str, datetime]]:
    """Who of the staff read this patient's page, and when last."""
    return [(row["actor"].removeprefix("staff:"), row["at"]) for row in await conn.fetch(READERS, patient_id)]
