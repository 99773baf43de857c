"""Where the relay stands: every statement on `relay`, `replay_requests` and the log's windows.

Updates carry the leader's term and go over the connection that holds the advisory lock, so that a relay that lost
it changes nothing. A cursor is valid only in the cluster and timeline that wrote it: after a dump and restore
transaction ids start again, and a relay that did not check would publish nothing, silently.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

LOCK = "select pg_try_advisory_lock(hashtextextended('relay:' || current_schema(), 0))"
CLUSTER = """
select (select system_identifier from pg_control_system())::text || '/'
       || left(pg_walfile_name(pg_current_wal_lsn()), 8) as here, cluster from relay
"""
CLAIM_CLUSTER = "update relay set cluster = $1 where cluster is null"
TAKE_TERM = """
update relay set term = term + 1
returning cursor, cursor_at, upper, upper_at, after_id, term, settled_id as settled
"""
SAVE = """
update relay set cursor = $2, cursor_at = $3, upper = $4, upper_at = $5, after_id = $6 where term = $1
"""
# With the values at hand the planner takes a window's next pages for small and sorts the rest of the log for each of
# them (85 ms a page of 4,000 against 30); without them it walks the index that the statement is written for.
# That plan may be made while a partition is empty, where everything looks cheap, and is kept until the next analyze: so
# there is no other way to a window than by its transactions (`id + 0` is not for the primary key, and no scan of all).
PLAN_ONCE = "set plan_cache_mode = force_generic_plan; set enable_seqscan = off"
ENSURE_PARTITIONS = "select ensure_event_log_partitions(3)"

# `offset 0` keeps the planner from walking the primary key (585 ms a poll at a million rows against 0.3); the
# bound on `at` prunes partitions: no transaction lives for a day.
# A null $2 stands for the present: the window up to it and the snapshot itself come in one round trip, as one row at
# least. What the statement sees and `pg_current_snapshot()` in it are the same.
FIRST_PAGE = """
with present as materialized (
    select coalesce($2::text::pg_snapshot, pg_current_snapshot()) as upper, clock_timestamp() as upper_at
)
select w.*, present.upper::text, present.upper_at
  from present left join lateral (
    select id, at, event_id::text, subject::text, sequence, partition, type, time, actor, correlation::text,
           causation::text, traceparent, body
      from event_log
     where ((xid >= pg_snapshot_xmax($1::text::pg_snapshot) and xid < pg_snapshot_xmax(present.upper))
            or xid = any(array(select pg_snapshot_xip($1::text::pg_snapshot))))
       and pg_visible_in_snapshot(xid, present.upper)
       and id + 0 > $3 and at >= $4::timestamptz - interval '1 day'
    offset 0) w on true
 order by w.id limit $5
"""
# A window larger than a page is mostly the log itself, so the rest of it is read along the primary key, and all of one
# that starts from nothing.
NEXT_PAGE = """
select id, at, event_id::text, subject::text, sequence, partition, type, time, actor, correlation::text,
       causation::text, traceparent, body
  from event_log
 where id > $3 and at >= $4::timestamptz - interval '1 day'
   and ((xid >= pg_snapshot_xmax($1::text::pg_snapshot) and xid < pg_snapshot_xmax($2::text::pg_snapshot))
        or xid = any(array(select pg_snapshot_xip($1::text::pg_snapshot))))
   and pg_visible_in_snapshot(xid, $2::text::pg_snapshot)
 order by id limit $5
"""
# What a restore brought has the transaction ids of a cluster that is gone: all of it is committed, none of it visible
# by its id here. It is read by id alone, at the beginning of every window that starts from nothing.
SETTLED_PAGE = """
select id, at, event_id::text, subject::text, sequence, partition, type, time, actor, correlation::text,
       causation::text, traceparent, body
  from event_log
 where id > $1 and id <= $2 and at >= $3::timestamptz - interval '1 day'
 order by id limit $4
"""
PRESENT = "select pg_current_snapshot()::text, clock_timestamp()"
REQUESTS = """
select id, subject, from_sequence, from_at, until_at, type, after_id from replay_requests
 where done_at is null order by id limit 100
"""
FINISH = """
update replay_requests set done_at = clock_timestamp(), published = coalesce(published, 0) + $2 where id = $1
"""
GOT_TO = "update replay_requests set after_id = $2, published = coalesce(published, 0) + $3 where id = $1"
REQUEST_SUBJECT = """
insert into replay_requests (subject, from_sequence, requested_by)
select $1, $2, $3
 where not exists (select from replay_requests where subject = $1 and done_at is null and from_sequence <= $2)
"""
# A replay repeats what the cursor has passed and nothing else: what it has not come to appears for the first time in
# its own turn.
OF_SUBJECT = """
select id, at, event_id::text, subject::text, sequence, partition, type, time, actor, correlation::text,
       causation::text, traceparent, body
  from event_log
 where subject = $1 and sequence >= $2 and ($3::text is null or type = $3)
   and (pg_visible_in_snapshot(xid, $4::text::pg_snapshot) or at < $5::timestamptz - interval '1 day' or id <= $6)
 order by sequence limit 10000
"""
OF_RANGE = """
select id, at, event_id::text, subject::text, sequence, partition, type, time, actor, correlation::text,
       causation::text, traceparent, body
  from event_log
 where id > $1 and at >= $2 and at < $3 and ($4::text is null or type = $4)
   and (pg_visible_in_snapshot(xid, $5::text::pg_snapshot) or at < $6::timestamptz - interval '1 day' or id <= $7)
 order by id limit $8
"""
REWOUND_AT = "select max(done_at) from replay_requests where from_at is not null and until_at is null"
# Never forward: what was to be published from before `since` has not been published yet.
REWIND = """
update relay set cursor = '3:3:', cursor_at = least($2::timestamptz, $3::timestamptz), upper = null, upper_at = null,
       after_id = 0
 where term = $1
returning cursor, cursor_at, upper, upper_at, after_id, term, settled_id as settled
"""
# The operator's answer to a foreign cluster: see `passage relay --help`.
SAME_HISTORY = """
update relay set cluster = $1, cursor = '3:3:', cursor_at = least(cursor_at, clock_timestamp()), upper = null,
       upper_at = null, after_id = 0
"""
RESTORED = """
update relay set cluster = $1, cursor = '3:3:', cursor_at = '-infinity', upper = null, upper_at = null, after_id = 0,
       settled_id = (select coalesce(max(id), 0) from event_log)
"""
FROM_NOTHING = "3:3:"


class ForeignCluster(Exception):
    """The cursor was written in another cluster; the message says which command to run."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Published: all that was visible in `cursor`, and of what became visible up to `upper`, ids to `after_id`.

    Up to the id `settled` the log was written in another cluster and restored here.
    """

    cursor: str
    cursor_at: datetime
    upper: str | None
    upper_at: datetime | None
    after_id: int
    term: int
    settled: int = 0

    @property
    def settled_passed(self) -> int:
        """Up to which id what was restored has been published here."""
        return min(self.after_id, self.settled) if self.cursor == FROM_NOTHING else self.settled


class Row(NamedTuple):
    """One event as the log holds it; `body` is its JSON text, ids are written out. `time` is in UTC.

    A tuple, and ids as the database writes them: the relay makes hundreds of thousands of these, and only copies them.
    """

    id: int
    at: datetime
    event_id: str
    subject: str
    sequence: int
    partition: int
    type: str
    time: datetime
    actor: str
    correlation: str
    causation: str | None
    traceparent: str | None
    body: str


@dataclass(frozen=True, slots=True)
class Request:
    """What to publish again: one subject from a sequence on, everything since a moment, or a range of time.

    `type` narrows a subject or a range to one CloudEvents type. Of a range, ids to `after_id` are published.
    """

    id: int
    subject: UUID | None
    from_sequence: int
    from_at: datetime | None
    until_at: datetime | None
    type: str | None
    after_id: int


async def try_lock(conn: asyncpg.Connection) -> bool:
    """Become the leader of this schema, or not. The connection is the relay's alone from here on."""
    await conn.execute(PLAN_ONCE)
    return bool(await conn.fetchval(LOCK))


async def check_cluster(conn: asyncpg.Connection) -> None:
    """Refuse to read a cursor that another cluster wrote.

    Raises:
        ForeignCluster: with the two commands to choose from.
    """
    row = await conn.fetchrow(CLUSTER)
    if row["cluster"] is None:
        await conn.execute(CLAIM_CLUSTER, row["here"])
    elif row["cluster"] != row["here"]:
        raise ForeignCluster(
            "the event log's cursor was written in another database cluster; after pg_upgrade or a promotion run "
            "`passage relay same-history`, after a restore from backup empty the broker and run "
            "`passage relay restored`"
        )


async def adopt_cluster(conn: asyncpg.Connection, *, restored: bool) -> None:
    """Accept the present cluster: the same history (republish the last day) or a restored one (everything)."""
    row = await conn.fetchrow(CLUSTER)
    await conn.execute(RESTORED if restored else SAME_HISTORY, row["here"])


async def take_term(conn: asyncpg.Connection) -> Cursor:
    """Begin a new leader's term; any former leader's updates find none of their own."""
    return Cursor(**dict(await conn.fetchrow(TAKE_TERM)))


async def save(conn: asyncpg.Connection, at: Cursor) -> bool:
    """Move the cursor; False when another term has begun."""
    done = await conn.execute(SAVE, at.term, at.cursor, at.cursor_at, at.upper, at.upper_at, at.after_id)
    return bool(done == "UPDATE 1")


async def window(conn: asyncpg.Connection, at: Cursor, page: int) -> tuple[Cursor, list[Row]]:
    """The next rows between the two snapshots, by id; what was restored is between any snapshot and none.

    Where the cursor has no upper snapshot the present one is taken: it is in the cursor that comes back.
    """
    rows: list[asyncpg.Record] = []
    if at.cursor == FROM_NOTHING:
        if at.upper is None:
            upper, upper_at = await conn.fetchrow(PRESENT)
            at = replace(at, upper=upper, upper_at=upper_at, after_id=0)
        if at.after_id < at.settled:
            rows = await conn.fetch(SETTLED_PAGE, at.after_id, at.settled, at.cursor_at, page)
    if at.upper is not None and (at.after_id or at.cursor == FROM_NOTHING):
        if len(rows) < page:
            after = max(at.after_id, at.settled)
            rows += await conn.fetch(NEXT_PAGE, at.cursor, at.upper, after, at.cursor_at, page - len(rows))
        return at, [Row._make(row) for row in rows]
    first = await conn.fetch(FIRST_PAGE, at.cursor, at.upper, at.settled, at.cursor_at, page)
    at = replace(at, upper=first[0]["upper"], upper_at=at.upper_at or first[0]["upper_at"], after_id=0)
    found = [] if first[0]["id"] is None else [Row._make(row[: len(Row._fields)]) for row in first]
    return at, found


async def open_requests(conn: asyncpg.Connection) -> list[Request]:
    """What is still to be published again."""
    return [Request(*row.values()) for row in await conn.fetch(REQUESTS)]


async def request_subject(conn: asyncpg.Connection, subject: UUID, from_sequence: int, by: str) -> None:
    """Ask this schema's relay for one subject's events; asking twice asks once."""
    await conn.execute(REQUEST_SUBJECT, subject, from_sequence, by)


async def of_subject(conn: asyncpg.Connection, at: Cursor, request: Request) -> list[Row]:
    """The subject's events from the requested sequence on, as far as they were published."""
    about = (request.subject, request.from_sequence, request.type)
    rows = await conn.fetch(OF_SUBJECT, *about, at.cursor, at.cursor_at, at.settled_passed)
    return [Row._make(row) for row in rows]


async def of_range(conn: asyncpg.Connection, at: Cursor, request: Request, page: int) -> list[Row]:
    """The next events of the requested time, as far as they were published."""
    about = (request.after_id, request.from_at, request.until_at, request.type)
    rows = await conn.fetch(OF_RANGE, *about, at.cursor, at.cursor_at, at.settled_passed, page)
    return [Row._make(row) for row in rows]


async def got_to(conn: asyncpg.Connection, request_id: int, after_id: int, published: int) -> None:
    """Keep how far a range is."""
    await conn.execute(GOT_TO, request_id, after_id, published)


async def finish(conn: asyncpg.Connection, request_id: int, published: int) -> None:
    """Mark a request as done."""
    await conn.execute(FINISH, request_id, published)


async def rewound_at(conn: asyncpg.Connection) -> datetime | None:
    """When the relay was moved back last, to publish everything since some moment again."""
    found: datetime | None = await conn.fetchval(REWOUND_AT)
    return found


async def rewind(conn: asyncpg.Connection, at: Cursor, since: datetime) -> Cursor:
    """Start again from `since`: what was committed before it stays published, or waits where the cursor stands."""
    row = await conn.fetchrow(REWIND, at.term, since, at.cursor_at)
    if row is None:
        return at
    return Cursor(**dict(row))
