"""SQL: the ledger of messages, from the plan to the moment of handing over."""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

import asyncpg

from services.notifications.domain.delivery import State
from services.notifications.rows import MessageRow

COLUMNS = """
id, patient_id, kind, occurrence, channel, text, visit_id, visits, course_id, ladder, exempt, asks, answer_by,
planned_at, due_at, until_at, state, reason, carried_by, recipient, subject_line, body, attempts, first_try_at,
vendor_id, sent_at, delivered_at
"""
_ALL = "select " + COLUMNS + " from messages "  # noqa: S608 - constants of this module

# The same message is never made twice; one that still waits, or that was taken back, is planned anew.
PLAN = """
insert into messages (id, patient_id, kind, occurrence, channel, text, visit_id, visits, course_id, ladder, exempt,
                      asks, answer_by, planned_at, due_at, until_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
on conflict (patient_id, kind, occurrence, channel) do update
   set text = excluded.text, asks = excluded.asks, due_at = excluded.due_at, until_at = excluded.until_at,
       visits = excluded.visits, exempt = excluded.exempt, state = 'planned', reason = null, carried_by = null
 where messages.state in ('planned', 'withdrawn')
    or (messages.state = 'suppressed' and messages.reason in ('opted_out', 'undeliverable'))
returning id
"""
LOCK = _ALL + " where id = $1 for update"
FIND = _ALL + " where id = $1"
# Each patient's by themselves (`offset`): for `any` the plan of an empty house reads everybody's.
_EACH = "select theirs.* from (select distinct unnest($1::uuid[])) as p (wanted) cross join lateral ("
_THEIRS = " where patient_id = p.wanted offset 0) theirs order by coalesce(sent_at, due_at), id"
OF_PATIENTS = _EACH + _ALL + _THEIRS
CARRIED = _ALL + " where carried_by = $1 and state = any($2) order by due_at, id for update"
WAITING_LIKE = (
    _ALL
    + """
 where patient_id = $1 and kind = $2 and channel = $3 and state = 'planned' order by planned_at limit 1 for update
"""
)
NAME_VISITS = "update messages set visits = $2, due_at = $3, until_at = least(until_at, $4) where id = $1"
PLANNED_LADDER = """
select id, kind, occurrence, channel from messages where visit_id = $1 and ladder and state = 'planned'
"""
PLANNED_TEXTS = """
select id, due_at, asks is not null as asks from messages
 where patient_id = $1 and channel = 'sms' and state = 'planned' and not exempt
"""
CARRY = """
update messages m set carried_by = c.host
  from (select unnest($2::uuid[]) as id, unnest($3::uuid[]) as host) c
 where m.id = c.id and m.patient_id = $1
"""
UNCARRY = "update messages set carried_by = null where patient_id = $1 and state = 'planned' and carried_by is not null"
# $2: states from which a message is taken back; returns what was, for its timers.
STOP_OF_PATIENT = """
update messages set state = $3, reason = $4
 where patient_id = $1 and state = any($2) and ($5::text is null or channel = $5) and kind <> all($6::text[])
returning id
"""
# One that is being sent keeps its state and bears the reason: it is not sent again (`overtaken`). News of an earlier
# move goes with the move, where it names nothing else.
STOP_OF_VISIT = """
update messages set state = case when state = 'sending' then state else 'withdrawn' end, reason = $2
 where visit_id = $1 and state in ('planned', 'ready', 'sending')
   and (kind <> all($3) or (kind = 'rescheduled' and visits = array[$1]))
returning id, state
"""
# What is said to somebody without a visit, and is neither an answer to them nor for their safety.
STOP_OF_CONTACT = """
update messages set state = case when state = 'sending' then state else 'withdrawn' end, reason = $2
 where patient_id = $1 and state in ('planned', 'ready', 'sending') and visit_id is null and visits = '{}'
   and course_id is null and not exempt
returning id, state
"""
# What was to travel inside messages that will not go waits for its own moment again.
LET_DOWN = """
update messages set state = 'planned', recipient = null, carried_by = null
 where carried_by = any($1) and state = 'ready' returning id
"""
STOP = "update messages set state = $2, reason = $3 where id = $1"
POSTPONE = "update messages set due_at = $2, carried_by = null where id = $1"
RELEASE = """
update messages set state = 'ready', not_before = now(), recipient = $2, carried_by = null where id = $1
"""
TAKE_ALONG = "update messages set state = 'ready', recipient = $2, not_before = null where id = $1"
# What goes out on a day or in a week counts from the moment it was released; business time.
COUNT_SINCE = """
select count(*) from messages
 where patient_id = any($1) and channel = 'sms' and not exempt and carried_by is null
   and state in ('ready', 'sending', 'sent', 'delivered') and coalesce(sent_at, due_at) >= $2
   and ($3::uuid is null or id <> $3)
"""
TWIN = """
select exists (select from messages where patient_id = $1 and kind = $2 and occurrence = $3 and channel <> $4
                  and state not in ('failed', 'suppressed', 'withdrawn'))
"""
TOLD = """
select exists (select from messages where patient_id = $1 and kind = $2 and occurrence = $3
                  and state in ('ready', 'sending', 'sent', 'delivered', 'failed'))
    or exists (select from tasks where kind = 'call-patient' and subject = $1 and occurrence = $2 || ':' || $3
                  and closed_at is not null)
"""
COUNT_OF_VISIT = "select count(*) from messages where visit_id = $1 and kind = $2"
LAST_OF_KIND = "select max(due_at) from messages where patient_id = $1 and kind = any($2) and due_at >= $3"
BLANK = """
update messages set recipient = null, subject_line = null, body = null where patient_id = $1
"""


def message(row: asyncpg.Record) -> MessageRow:
    """A row of the ledger."""
    values = dict(row)
    return MessageRow(**(values | {"state": State(values["state"]), "visits": tuple(values["visits"])}))


async def plan(conn: asyncpg.Connection, row: MessageRow) -> UUID | None:
    """Plan a message, or plan it anew while it still waits; None when it was sent or given up already."""
    found: UUID | None = await conn.fetchval(
        PLAN,
        row.id,
        row.patient_id,
        row.kind,
        row.occurrence,
        row.channel,
        row.text,
        row.visit_id,
        list(row.visits),
        row.course_id,
        row.ladder,
        row.exempt,
        row.asks,
        row.answer_by,
        row.planned_at,
        row.due_at,
        row.until_at,
    )
    return found


async def find(conn: asyncpg.Connection, message_id: UUID, *, lock: bool = False) -> MessageRow | None:
    """A message, locked until the transaction ends where asked."""
    row = await conn.fetchrow(LOCK if lock else FIND, message_id)
    return message(row) if row is not None else None


async def of_patients(conn: asyncpg.Connection, patient_ids: Collection[UUID]) -> list[MessageRow]:
    """The whole ledger of these patients, in the order of time."""
    return [message(row) for row in await conn.fetch(OF_PATIENTS, list(patient_ids))]


async def carried(conn: asyncpg.Connection, host: UUID, *states: State) -> list[MessageRow]:
    """What travels inside a message."""
    return [message(row) for row in await conn.fetch(CARRIED, host, [str(state) for state in states])]


async def waiting_like(conn: asyncpg.Connection, patient_id: UUID, kind: str, channel: str) -> MessageRow | None:
    """A message of this kind that has not gone yet and can name one more visit."""
    row = await conn.fetchrow(WAITING_LIKE, patient_id, kind, channel)
    return message(row) if row is not None else None


async def name_visits(
    conn: asyncpg.Connection, message_id: UUID, visits: Collection[UUID], due_at: datetime, until: datetime | None
) -> None:
    """The waiting message names these visits, and waits until then; it should be known by the earliest `until`."""
    await conn.execute(NAME_VISITS, message_id, list(visits), due_at, until)


async def planned_ladder(conn: asyncpg.Connection, visit_id: UUID) -> dict[tuple[str, str, str], UUID]:
    """What stands planned from the ladder: (kind, occurrence, channel) → message."""
    rows = await conn.fetch(PLANNED_LADDER, visit_id)
    return {(row["kind"], row["occurrence"], row["channel"]): row["id"] for row in rows}


async def planned_texts(conn: asyncpg.Connection, patient_id: UUID) -> list[tuple[UUID, datetime, bool]]:
    """Planned texts that count: (id, due, whether it asks)."""
    return [(row["id"], row["due_at"], row["asks"]) for row in await conn.fetch(PLANNED_TEXTS, patient_id)]


async def carry(conn: asyncpg.Connection, patient_id: UUID, hosts: Mapping[UUID, UUID]) -> None:
    """These planned texts travel inside those, and no others do."""
    await conn.execute(UNCARRY, patient_id)
    if hosts:
        await conn.execute(CARRY, patient_id, list(hosts), list(hosts.values()))


async def stop_of_patient(
    conn: asyncpg.Connection,
    patient_id: UUID,
    *,
    to: State,
    reason: str,
    channel: str | None = None,
    but: Collection[str] = (),
) -> list[UUID]:
    """Take back whatever has not gone yet, except these kinds."""
    waiting = [str(State.PLANNED), str(State.READY)]
    return [
        row["id"] for row in await conn.fetch(STOP_OF_PATIENT, patient_id, waiting, str(to), reason, channel, list(but))
    ]


async def stop_of_visit(
    conn: asyncpg.Connection, visit_id: UUID, reason: str, *, but: Collection[str] = ()
) -> list[UUID]:
    """Take back what a visit still had planned, except these kinds. What is being sent is only marked."""
    rows = await conn.fetch(STOP_OF_VISIT, visit_id, reason, list(but))
    return [row["id"] for row in rows if row["state"] != State.SENDING]


async def stop_of_contact(conn: asyncpg.Connection, patient_id: UUID, reason: str) -> list[UUID]:
    """Take back what they have not been told yet as a contact. What is being sent is only marked."""
    rows = await conn.fetch(STOP_OF_CONTACT, patient_id, reason)
    return [row["id"] for row in rows if row["state"] != State.SENDING]


async def let_down(conn: asyncpg.Connection, hosts: Collection[UUID]) -> list[UUID]:
    """These will not go: what travels inside them is planned by itself again."""
    return [row["id"] for row in await conn.fetch(LET_DOWN, list(hosts))]


async def stop(conn: asyncpg.Connection, message_id: UUID, *, to: State, reason: str) -> None:
    """It will not go."""
    await conn.execute(STOP, message_id, str(to), reason)


async def postpone(conn: asyncpg.Connection, message_id: UUID, due_at: datetime) -> None:
    """It goes then."""
    await conn.execute(POSTPONE, message_id, due_at)


async def release(conn: asyncpg.Connection, message_id: UUID, recipient: str) -> None:
    """It may go now, to this (sealed) address."""
    await conn.execute(RELEASE, message_id, recipient)


async def take_along(conn: asyncpg.Connection, message_id: UUID, recipient: str) -> None:
    """It travels inside its host; the delivery loop leaves it alone."""
    await conn.execute(TAKE_ALONG, message_id, recipient)


async def count_since(
    conn: asyncpg.Connection, patient_ids: Collection[UUID], since: datetime, but: UUID | None = None
) -> int:
    """Texts that count and went out, or are on their way, since then."""
    return int(await conn.fetchval(COUNT_SINCE, list(patient_ids), since, but))


async def has_twin(conn: asyncpg.Connection, row: MessageRow) -> bool:
    """Whether the other channel says the same."""
    return bool(await conn.fetchval(TWIN, row.patient_id, row.kind, row.occurrence, row.channel))


async def was_told(conn: asyncpg.Connection, patient_id: UUID, kind: str, occurrence: str) -> bool:
    """Whether this went out, or is on its way, by any channel, or a person called to say it."""
    return bool(await conn.fetchval(TOLD, patient_id, kind, occurrence))


async def count_of_visit(conn: asyncpg.Connection, visit_id: UUID, kind: str) -> int:
    """How often this was said, or is to be, about a visit."""
    return int(await conn.fetchval(COUNT_OF_VISIT, visit_id, kind))


async def last_of_kind(
    conn: asyncpg.Connection, patient_id: UUID, kinds: Collection[str], since: datetime
) -> datetime | None:
    """When one of these was last said, since then."""
    found: datetime | None = await conn.fetchval(LAST_OF_KIND, patient_id, list(kinds), since)
    return found


async def blank(conn: asyncpg.Connection, patient_id: UUID) -> None:
    """What was said goes with the patient."""
    await conn.execute(BLANK, patient_id)
