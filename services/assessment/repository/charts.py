"""Charts: sections in every version, completed assessments, signed decisions, approvals, concerns."""

from datetime import datetime
from uuid import UUID

import asyncpg

from services.assessment.domain.chart import Approval, Chart, State
from services.assessment.domain.sections import SectionKind
from services.assessment.rows import ApprovalRow, AssessmentRow, ConcernRow, DecisionRow, SectionRow, VersionRow
from shared.contracts.assessment import Route

OPEN = "insert into charts (patient_id, state, opened_at, changed_at) values ($1, 'new', $2, $2) on conflict do nothing"
RESOLVE = """
with recursive way (id, step) as (
    select $1::uuid, 0
    union
    select a.patient_id, way.step + 1 from way join aliases a on a.absorbed_id = way.id where way.step < 32
)
select id from way order by step desc limit 1
"""
ALIAS = """
insert into aliases (absorbed_id, patient_id, since) values ($1, $2, $3)
on conflict (absorbed_id) do update set patient_id = excluded.patient_id, since = excluded.since
"""
# Of two patients' events either may come first: who has been merged into a third since stays so.
UNALIAS = "delete from aliases where absorbed_id = $1 and patient_id = $2 returning since"
FIND = """
select c.patient_id, c.state, c.completed, c.assessment,
       a.id as approval_id, d.assessment_id as approved, a.decision_id, a.route, a.sessions, a.valid_until
  from charts c
  left join approvals a on a.patient_id = c.patient_id and a.state = 'in_force'
  left join decisions d on d.id = a.decision_id
 where c.patient_id = $1
"""
LOCK = "select from charts where patient_id = $1 for update"
STORE = "update charts set state = $2, completed = $3, assessment = $4, changed_at = $5 where patient_id = $1"

CURRENT = """
select distinct on (kind) kind, version, content, author, saved_at from section_versions
 where patient_id = $1 order by kind, version desc
"""
VERSIONS = """
select kind, version, author, saved_at from section_versions where patient_id = $1 order by saved_at desc, version desc
"""
ONE_VERSION = """
select kind, version, content, author, saved_at from section_versions
 where patient_id = $1 and kind = $2 and version = $3
"""
SAVE = """
insert into section_versions (patient_id, kind, version, content, author, saved_at) values ($1, $2, $3, $4, $5, $6)
"""

ADD_ASSESSMENT = """
insert into assessments (id, patient_id, version, content, content_hash, policy_hash, completed_by, completed_at)
values ($1, $2, $3, $4, $5, $6, $7, $8)
"""
ASSESSMENT = """
select id, patient_id, version, content, content_hash, policy_hash, completed_by, completed_at
  from assessments where id = $1
"""
LATEST_ASSESSMENT = """
select id, patient_id, version, content, content_hash, policy_hash, completed_by, completed_at
  from assessments where patient_id = $1 order by version desc limit 1
"""

ADD_DECISION = """
insert into decisions (id, patient_id, assessment_id, action, provider_id, licence, licence_state, signed_at,
                       policy_hash, statement, digest, signature)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
on conflict (assessment_id) do nothing
returning id
"""
DECISIONS = """
select id, patient_id, assessment_id, action, provider_id, licence, licence_state, signed_at,
       policy_hash, statement, digest, signature
  from decisions where patient_id = $1 order by signed_at desc
"""
IS_DECIDED = "select exists (select from decisions where assessment_id = $1)"

ADD_APPROVAL = """
insert into approvals (id, patient_id, decision_id, route, sessions, valid_until) values ($1, $2, $3, $4, $5, $6)
"""
END_APPROVAL = """
update approvals set state = $2, ended_at = $3, reason = $4 where id = $1 and state = 'in_force'
"""
APPROVALS = """
select id, decision_id, route, sessions, valid_until, state, ended_at, reason
  from approvals where patient_id = $1 order by valid_until desc
"""

RAISE_CONCERN = """
insert into safety_concerns (id, patient_id, kind, level, raised_at, raised_by) values ($1, $2, $3, $4, $5, $6)
on conflict (patient_id, kind) where cleared_at is null do nothing
returning id
"""
CLEAR_CONCERN = """
update safety_concerns set cleared_at = $3, cleared_by = $4, reason = $5
 where id = $2 and patient_id = $1 and cleared_at is null
returning id
"""
CONCERNS = """
select id, kind, level, raised_at, raised_by, cleared_at, cleared_by, reason
  from safety_concerns where patient_id = $1 order by raised_at desc
"""
# UNION, not UNION ALL: a circle of merges ends too.
ALSO_OPEN = """
with recursive merged (id) as (
    select absorbed_id from aliases where patient_id = $1
    union
    select a.absorbed_id
      from merged m cross join lateral (select absorbed_id from aliases where patient_id = m.id offset 0) a
)
select c.id, c.patient_id from safety_concerns c join merged m on m.id = c.patient_id
 where c.cleared_at is null and c.kind = (select kind from safety_concerns where id = $2)
 order by c.patient_id
"""
CONCERN_OPEN = "select exists (select from safety_concerns where patient_id = $1 and cleared_at is null)"

TOLD = """
insert into told_steps (patient_id, step, told_at) values ($1, $2, $3)
on conflict (patient_id, step) do update set told_at = excluded.told_at
"""
STEPS_TOLD = "select step, told_at from told_steps where patient_id = $1"


async def open_chart(conn: asyncpg.Connection, patient_id: UUID, now: datetime) -> None:
    """A new chart; an existing one stays as it is."""
    await conn.execute(OPEN, patient_id, now)


async def resolve(conn: asyncpg.Connection, patient_id: UUID) -> UUID:
    """The id under which this patient's chart is kept today."""
    found: UUID = await conn.fetchval(RESOLVE, patient_id)
    return found


async def add_alias(conn: asyncpg.Connection, absorbed_id: UUID, patient_id: UUID, now: datetime) -> None:
    await conn.execute(ALIAS, absorbed_id, patient_id, now)


async def remove_alias(conn: asyncpg.Connection, absorbed_id: UUID, patient_id: UUID) -> datetime | None:
    """Since when it led there; None when it didn't."""
    since: datetime | None = await conn.fetchval(UNALIAS, absorbed_id, patient_id)
    return since


async def find(conn: asyncpg.Connection, patient_id: UUID) -> Chart | None:
    """The chart without its contents, or None."""
    row = await conn.fetchrow(FIND, patient_id)
    if row is None:
        return None
    approval = None
    if row["approval_id"] is not None:
        approval = Approval(
            row["approval_id"],
            row["approved"],
            row["decision_id"],
            Route(row["route"]),
            row["sessions"],
            row["valid_until"],
        )
    return Chart(row["patient_id"], State(row["state"]), row["completed"], row["assessment"], approval)


async def find_locked(conn: asyncpg.Connection, patient_id: UUID) -> Chart | None:
    """The chart, held until the transaction ends. Read after the lock, so that it is what the last writer left."""
    await conn.execute(LOCK, patient_id)
    return await find(conn, patient_id)


async def store(conn: asyncpg.Connection, chart: Chart, now: datetime) -> None:
    """Keep the chart's state. Approvals have statements of their own."""
    await conn.execute(STORE, chart.patient_id, chart.state.value, chart.completed, chart.assessment, now)


def _section(row: asyncpg.Record) -> SectionRow:
    return SectionRow(SectionKind(row["kind"]), row["version"], row["content"], row["author"], row["saved_at"])


async def current(conn: asyncpg.Connection, patient_id: UUID) -> dict[SectionKind, SectionRow]:
    """The newest version of each section that was ever saved, in the order of the chart."""
    found = {row.kind: row for row in map(_section, await conn.fetch(CURRENT, patient_id))}
    return {kind: found[kind] for kind in SectionKind if kind in found}


async def version(conn: asyncpg.Connection, patient_id: UUID, kind: SectionKind, number: int) -> SectionRow | None:
    row = await conn.fetchrow(ONE_VERSION, patient_id, kind.value, number)
    return _section(row) if row else None


async def versions(conn: asyncpg.Connection, patient_id: UUID) -> list[VersionRow]:
    """Who saved what, newest first."""
    rows = await conn.fetch(VERSIONS, patient_id)
    return [VersionRow(SectionKind(row["kind"]), row["version"], row["author"], row["saved_at"]) for row in rows]


async def save(conn: asyncpg.Connection, patient_id: UUID, row: SectionRow) -> None:
    await conn.execute(SAVE, patient_id, row.kind.value, row.version, row.content, row.author, row.saved_at)


async def add_assessment(conn: asyncpg.Connection, row: AssessmentRow) -> None:
    await conn.execute(
        ADD_ASSESSMENT, row.id, row.patient_id, row.version, row.content, row.content_hash, row.policy_hash,
        row.completed_by, row.completed_at,
    )  # fmt: skip


async def assessment(conn: asyncpg.Connection, assessment_id: UUID) -> AssessmentRow | None:
    row = await conn.fetchrow(ASSESSMENT, assessment_id)
    return AssessmentRow(**dict(row)) if row else None


async def latest_assessment(conn: asyncpg.Connection, patient_id: UUID) -> AssessmentRow | None:
    row = await conn.fetchrow(LATEST_ASSESSMENT, patient_id)
    return AssessmentRow(**dict(row)) if row else None


async def add_decision(conn: asyncpg.Connection, row: DecisionRow) -> bool:
    """False when this assessment has been decided already."""
    added = await conn.fetchval(
        ADD_DECISION, row.id, row.patient_id, row.assessment_id, row.action, row.provider_id, row.licence,
        row.licence_state, row.signed_at, row.policy_hash, row.statement, row.digest, row.signature,
    )  # fmt: skip
    return added is not None


async def decisions(conn: asyncpg.Connection, patient_id: UUID) -> list[DecisionRow]:
    """Newest first."""
    return [DecisionRow(**dict(row)) for row in await conn.fetch(DECISIONS, patient_id)]


async def is_decided(conn: asyncpg.Connection, assessment_id: UUID) -> bool:
    return bool(await conn.fetchval(IS_DECIDED, assessment_id))


async def add_approval(conn: asyncpg.Connection, patient_id: UUID, approval: Approval) -> None:
    await conn.execute(
        ADD_APPROVAL, approval.id, patient_id, approval.decision_id, approval.route.value, approval.sessions,
        approval.valid_until,
    )  # fmt: skip


async def end_approval(conn: asyncpg.Connection, approval_id: UUID, state: str, now: datetime, reason: str) -> None:
    """`state` is "revoked" or "expired"."""
    await conn.execute(END_APPROVAL, approval_id, state, now, reason)


async def approvals(conn: asyncpg.Connection, patient_id: UUID) -> list[ApprovalRow]:
    """Newest first."""
    rows = await conn.fetch(APPROVALS, patient_id)
    return [ApprovalRow(**(dict(row) | {"route": Route(row["route"])})) for row in rows]


async def raise_concern(conn: asyncpg.Connection, patient_id: UUID, row: ConcernRow) -> bool:
    """False when such a concern is open already."""
    raised = await conn.fetchval(RAISE_CONCERN, row.id, patient_id, row.kind, row.level, row.raised_at, row.raised_by)
    return raised is not None


async def clear_concern(
    conn: asyncpg.Connection, patient_id: UUID, concern_id: UUID, now: datetime, by: str, reason: str
) -> bool:
    """False when there is no such open concern."""
    return await conn.fetchval(CLEAR_CONCERN, patient_id, concern_id, now, by, reason) is not None


async def also_open(conn: asyncpg.Connection, patient_id: UUID, concern_id: UUID) -> list[tuple[UUID, UUID]]:
    """The same concern, open still under ids that were merged into this one: (patient, concern)."""
    rows = await conn.fetch(ALSO_OPEN, patient_id, concern_id)
    return [(row["patient_id"], row["id"]) for row in rows]


async def concerns(conn: asyncpg.Connection, patient_id: UUID) -> list[ConcernRow]:
    """Newest first."""
    return [ConcernRow(**dict(row)) for row in await conn.fetch(CONCERNS, patient_id)]


async def concern_open(conn: asyncpg.Connection, patient_id: UUID) -> bool:
    return bool(await conn.fetchval(CONCERN_OPEN, patient_id))


async def told(conn: asyncpg.Connection, patient_id: UUID, step: str, now: datetime) -> None:
    """The patient sent this step of their page."""
    await conn.execute(TOLD, patient_id, step, now)


async def steps_told(conn: asyncpg.Connection, patient_id: UUID) -> dict[str, datetime]:
    """When each step was last sent."""
    return {row["step"]: row["told_at"] for row in await conn.fetch(STEPS_TOLD, patient_id)}
