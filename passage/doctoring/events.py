"""How events travel: relays, consumers, dead letters, parked events, timers; all of it asked of the database."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from passage.doctoring import limits
from passage.recover import READERS
from passage.telling import Finding, Level, ago, lasted
from shared.contracts.base import SOURCES, Source
from shared.contracts.topics import GROUPS
from shared.db.migrate import SERVICES, fill
from shared.inbox.positions import NUMBER

MANY = 100_000
"""More than this many waiting events are not counted, only told as that many."""

_RELAY = """
select r.cursor, r.cursor_at, r.upper, r.after_id, r.cluster is null or r.cluster = (
           select (select system_identifier from pg_control_system())::text || '/'
                  || left(pg_walfile_name(pg_current_wal_lsn()), 8)) as at_home,
       exists (select from pg_locks where locktype = 'advisory' and granted and database = (
                   select oid from pg_database where datname = current_database())
                and ((classid::bigint << 32) | objid::bigint) = hashtextextended('relay:{source}', 0)) as led,
       (select max(done_at) from {source}.replay_requests where from_at is not null) as rewound_at
  from {source}.relay r
"""
# What is committed and not within the cursor; of a window that is half published, what comes after `after_id`.
_UNPUBLISHED = """
select count(*) as waiting, min(at) as oldest from (
    select at from {source}.event_log
     where (xid >= pg_snapshot_xmax($1::text::pg_snapshot)
            or xid = any(array(select pg_snapshot_xip($1::text::pg_snapshot))))
       and at >= $2::timestamptz - interval '1 day'
       and id > (select case when cursor = '3:3:' then 0 else settled_id end from {source}.relay)
       and not ($3::text is not null and id <= $4 and pg_visible_in_snapshot(xid, $3::text::pg_snapshot))
     limit $5) w
"""
# The newest events are enough to see how far behind somebody is, and cost the same on a log of any length. What is
# parked or given up is told on lines of its own.
_BEHIND = """
select count(*) as waiting, min(e.at) as oldest
  from (select subject, sequence, at from {source}.event_log order by id desc limit 2000) e
  left join {consumer}.inbox i on (i.source, i.subject) = ($1, e.subject)
 where coalesce(i.sequence, 0) < e.sequence
   and not exists (select from {consumer}.parked p where (p.source, p.subject) = ($1, e.subject))
   and not exists (select from {consumer}.dead_letters d
                    where (d.source, d.subject) = ($1, e.subject) and d.resolved_at is null)
"""
_LETTERS = """
select count(*) as open, min(failed_at) as oldest, count(*) filter (where wanted is not null) as decided,
       (array_agg(distinct reason || ': ' || coalesce(split_part(type, '.', 3), topic)))[1:5] as kinds
  from {service}.dead_letters where resolved_at is null
"""
_PARKED = """
select split_part(reason, ':', 1) as reason, count(*) as events, count(distinct (source, subject)) as subjects,
       min(parked_at) as oldest
  from {service}.parked group by 1 order by 1
"""
_TIMERS = """
select count(*) as late, min(due_at) as oldest, count(*) filter (where attempts > 0) as failing,
       (array_agg(distinct kind || ': ' || error) filter (where error is not null))[1:5] as kinds
  from {service}.timers where due_at < $1
"""
_OFFSET = "select case when to_regclass('clock.state') is null then 0 else 1 end"
_MOVED = "select offset_seconds from clock.state"


async def outboxes(owner: asyncpg.Connection) -> list[Finding]:
    """Each relay: whether one leads, and how long the oldest event that is not on its topic has waited."""
    return [await _outbox(owner, source) for source in SOURCES]


async def _outbox(owner: asyncpg.Connection, source: Source) -> Finding:
    what = f"{source}: outbox"
    relay = await owner.fetchrow(fill(_RELAY, source=source))
    waiting = await owner.fetchrow(
        fill(_UNPUBLISHED, source=source), relay["cursor"], relay["cursor_at"], relay["upper"], relay["after_id"], MANY
    )
    now = datetime.now(UTC)
    age = ago(waiting["oldest"], now)
    if relay["rewound_at"] is not None:
        # A replay publishes old events again: they wait since it was asked for, not since they were written.
        age = min(age, ago(relay["rewound_at"], now)) if waiting["waiting"] else 0.0
    figure = f"{waiting['waiting']:,} events wait, the oldest for {lasted(age)}" if waiting["waiting"] else "empty"
    if not relay["at_home"]:
        return Finding(
            Level.ACT, what, f"{figure}; the relay stands still: its cursor comes from another database cluster",
            "after pg_upgrade or a promotion `passage relay same-history`; after a restore from backup empty the "
            "broker, then `passage relay restored`",
        )  # fmt: skip
    if not relay["led"]:
        return Finding(Level.ACT, what, f"{figure}; no relay leads", f"start {source}; one process of it is enough")
    level = limits.OUTBOX_SECONDS.level(age)
    do = f"see why in the log of {source} (`relay_stopped`), and whether the broker answers" if level else ""
    return Finding(level, what, figure, do)


async def lag(owner: asyncpg.Connection, unread: dict[str, int | None]) -> list[Finding]:
    """Each consumer group: how old the oldest event is that it should have applied, and what the broker holds for it.

    `unread` counts the records by group; None where the broker does not know the group.
    """
    return [await _lag(owner, group, unread) for group in GROUPS]


async def _lag(owner: asyncpg.Connection, group: str, unread: dict[str, int | None]) -> Finding:
    waiting, oldest = 0, 0.0
    for source, consumers in READERS.items():
        if group in consumers:
            row = await owner.fetchrow(fill(_BEHIND, source=source, consumer=group), NUMBER[source])
            waiting += row["waiting"]
            oldest = max(oldest, ago(row["oldest"], datetime.now(UTC)))
    level = limits.LAG_SECONDS.level(oldest)
    figure = f"{waiting:,} events to apply, the oldest is {lasted(oldest)} old" if waiting else "all events applied"
    records = unread.get(group)
    if records is not None:
        level = max(level, limits.LAG_RECORDS.level(records))
        figure += f"; {records:,} records unread at the broker"
    do = (
        f"is {group} running and ready? More processes of it share the work, up to 12; `passage replay --needed` "
        "when the broker lost records"
        if level
        else ""
    )
    return Finding(level, f"{group}: consumer", figure, do)


async def letters(owner: asyncpg.Connection) -> list[Finding]:
    """Dead letters that wait for a person, of each consumer."""
    return [await _letters(owner, group) for group in GROUPS]


async def _letters(owner: asyncpg.Connection, service: str) -> Finding:
    row = await owner.fetchrow(fill(_LETTERS, service=service))
    what = f"{service}: dead letters"
    if not row["open"]:
        return Finding(Level.FINE, what, "none")
    age = ago(row["oldest"], datetime.now(UTC))
    decided = f", {row['decided']} decided and not yet done" if row["decided"] else ""
    return Finding(
        limits.LETTER_SECONDS.level(age),
        what,
        f"{row['open']:,} open, the oldest for {lasted(age)}{decided}",
        f"`passage dlq list {service}`, then `show`; mend the cause and `replay`, or `drop` it with a reason",
        tuple(row["kinds"]),
    )


async def parked(owner: asyncpg.Connection) -> list[Finding]:
    """Events that wait for a predecessor or for another service's fact."""
    return [await _parked(owner, group) for group in GROUPS]


async def _parked(owner: asyncpg.Connection, service: str) -> Finding:
    rows = await owner.fetch(fill(_PARKED, service=service))
    what, now = f"{service}: parked events", datetime.now(UTC)
    if not rows:
        return Finding(Level.FINE, what, "none, no gaps")
    level = max(limits.PARKED_SECONDS.level(ago(row["oldest"], now)) for row in rows)
    return Finding(
        level,
        what,
        f"{sum(row['events'] for row in rows):,} wait",
        _what_to_do({row["reason"] for row in rows}) if level else "",
        tuple(
            f"{row['reason']}: {row['events']:,} events of {row['subjects']:,} subjects, "
            f"the oldest for {lasted(ago(row['oldest'], now))}"
            for row in rows
        ),
    )


def _what_to_do(reasons: set[str]) -> str:
    if "gap" in reasons:
        return "records are missing and were asked for again: does the producer's relay lead? `passage replay --needed`"
    if "predecessor" in reasons:
        return "they follow a dead letter of the same patient: decide that one"
    return "they need a fact of another service: is its relay publishing, and does `passage verify logs` hold?"


async def timers(owner: asyncpg.Connection) -> list[Finding]:
    """What should have happened by now, in business time."""
    now = datetime.now(UTC)
    if await owner.fetchval(_OFFSET):
        now += timedelta(seconds=await owner.fetchval(_MOVED))
    return [await _timers(owner, service, now) for service in SERVICES if service in SOURCES]


async def _timers(owner: asyncpg.Connection, service: str, now: datetime) -> Finding:
    row: Any = await owner.fetchrow(fill(_TIMERS, service=service), now)
    what = f"{service}: timers"
    late = ago(row["oldest"], now)
    level = limits.TIMER_SECONDS.level(late)
    if not level:
        return Finding(Level.FINE, what, "none late")
    failing = f", {row['failing']:,} failed and are tried again" if row["failing"] else ""
    do = f"the log of {service} names them (`timer_failed`)" if row["failing"] else f"is {service} running?"
    return Finding(
        level, what, f"{row['late']:,} late, the latest by {lasted(late)}{failing}", do, tuple(row["kinds"] or ())
    )
