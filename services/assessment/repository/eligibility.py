"""Questions to payers: who is next, and what came of each."""

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from services.assessment.rows import CheckRow

REPLACE = "update eligibility_checks set state = 'replaced' where patient_id = $1 and state = 'waiting'"
ADD = "insert into eligibility_checks (id, patient_id, asked_by, asked_at) values ($1, $2, $3, $4)"
# The lease is `not_before`: whoever dies while asking leaves a row that is due again.
CLAIM = """
update eligibility_checks c set attempts = attempts + 1, not_before = clock_timestamp() + $2
  from (select id from eligibility_checks where state = 'waiting' and not_before <= clock_timestamp()
         order by not_before limit $1 for update skip locked) due
 where c.id = due.id
returning c.id, c.patient_id, c.state, c.attempts, c.asked_by, c.asked_at, c.checked_at, c.status, c.codes, c.figures,
          c.problem
"""
LATER = """
update eligibility_checks set not_before = clock_timestamp() + $2, problem = $3 where id = $1 and state = 'waiting'
"""
FINISH = """
update eligibility_checks set state = $2, checked_at = $3, status = $4, codes = $5, figures = $6, problem = $7
 where id = $1 and state = 'waiting'
returning id
"""
NEWEST = """
select id, patient_id, state, attempts, asked_by, asked_at, checked_at, status, codes, figures, problem
  from eligibility_checks where patient_id = $1 order by id desc limit 1
"""


async def add(conn: asyncpg.Connection, check_id: UUID, patient_id: UUID, by: str, now: datetime) -> None:
    """A new question; one that still waits is replaced by it."""
    await conn.execute(REPLACE, patient_id)
    await conn.execute(ADD, check_id, patient_id, by, now)


async def claim(conn: asyncpg.Connection, limit: int, lease: timedelta) -> list[CheckRow]:
    """Questions that are due, each for one asker only while the lease lasts."""
    return [CheckRow(**dict(row)) for row in await conn.fetch(CLAIM, limit, lease)]


async def later(conn: asyncpg.Connection, check_id: UUID, wait: timedelta, problem: str) -> None:
    """Ask again after a while."""
    await conn.execute(LATER, check_id, wait, problem)


async def finish(conn: asyncpg.Connection, row: CheckRow) -> bool:
    """Keep how it ended; False when it was replaced meanwhile."""
    done = await conn.fetchval(
        FINISH, row.id, row.state, row.checked_at, row.status, row.codes, row.figures, row.problem
    )
    return done is not None


async def newest(conn: asyncpg.Connection, patient_id: UUID) -> CheckRow | None:
    row = await conn.fetchrow(NEWEST, patient_id)
    return CheckRow(**dict(row)) if row else None
