"""Old months of the event logs become files: compressed, checked, and only then gone from the database.

The promise: a month goes only when its relay has published it and every consumer has applied it, no older month stays
behind it, its file was read back and fits its checksum, and no writer waits for longer than a moment. Files hold no
patient's key, so that erasing a patient reaches them too. Needs the owner's rights.
"""

import asyncio
import csv
import gzip
import hashlib
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import asyncpg

from passage.context import schema_of
from passage.recover import READERS
from shared.contracts.base import SOURCES, Source
from shared.db.migrate import fill
from shared.inbox.positions import NUMBER

LOCK_MILLISECONDS = 200
"""How long writers may stand behind us while we wait for the log; then we let them go and try again."""
ATTEMPTS = 50
PAUSE_SECONDS = 0.2

_MONTHS = """
select to_date(right(c.relname, 7), 'YYYY_MM') as month
  from pg_inherits i join pg_class c on c.oid = i.inhrelid
 where i.inhparent = '{source}.event_log'::regclass and c.relname ~ '^event_log_[0-9]{{4}}_[0-9]{{2}}$'
 order by 1
"""
_COUNT = "select count(*), min(id), max(id) from {source}.event_log where at >= $1 and at < $2"
_UNPUBLISHED = """
select exists (select from {source}.event_log
                where at >= $1 and at < $2
                  and not pg_visible_in_snapshot(xid, (select cursor::pg_snapshot from {source}.relay))
                  and id > (select case when cursor = '3:3:' then 0 else settled_id end from {source}.relay))
    or exists (select from {source}.replay_requests where done_at is null)
"""
_NEEDED = """
select exists (select from {source}.event_log e
                 left join {consumer}.inbox i on (i.source, i.subject) = ($3, e.subject)
                where e.at >= $1 and e.at < $2 and e.sequence > coalesce(i.sequence, 0))
"""
# A patient's key stays in intake's own table alone: whoever reads a file in again puts it back from there.
_ROWS = """
select id, at, event_id, subject, sequence, partition, type, time, actor, correlation, causation, traceparent,
       case when body::jsonb ? 'key' then (body::jsonb || '{{"key": null}}')::text else body::text end as body
  from {source}.event_log where at >= $1 and at < $2 order by id
"""
LIMIT = "select set_config('lock_timeout', $1, true)"
_DROP = "select {source}.drop_event_log_month($1)"
_RECORD = """
insert into {source}.event_log_archive (first_at, until_at, first_id, last_id, events, file, sha256)
values ($1, $2, $3, $4, $5, $6, $7)
"""
_ARCHIVED = """
select first_at, events, file from event_log_archive where until_at > $1 and events > 0 order by first_at
"""
_FIRST_HERE = "select min(sequence) from event_log where subject = $1"


class NotWhole(RuntimeError):
    """A file does not hold what the month holds; nothing was dropped."""


@dataclass(frozen=True, slots=True)
class Month:
    """A month of one log. `keep` says why it stays; None when it may go, or has gone to `file`."""

    source: Source
    first: datetime
    until: datetime
    events: int
    keep: str | None = None
    file: Path | None = None


async def archive(
    connection: asyncpg.Connection,
    folder: Path,
    months_online: Callable[[Source], int | None],
    *,
    today: date,
    dry_run: bool,
) -> list[Month]:
    """Archive what is older than the whole months that each log keeps online (None: all of them); says what was done,
    or with `dry_run` would be.

    Raises:
        NotWhole, TimeoutError: the log was never free for a moment.
    """
    done: list[Month] = []
    for source in SOURCES:
        online = months_online(source)
        if online is None:
            continue
        months = [row["month"] for row in await connection.fetch(fill(_MONTHS, source=source))]
        behind: Month | None = None
        for first in [month for month in months if month < _minus(today, online)]:
            done.append(await _one(connection, source, first, folder, behind, dry_run=dry_run))
            behind = behind or (done[-1] if done[-1].keep is not None else None)
    return done


async def missing(source: str, *, subject: UUID | None, from_sequence: int, since: datetime | None) -> list[str]:
    """What a replay would need and no longer finds, as sentences."""
    async with schema_of(source) as connection:
        if subject is not None:
            first = await connection.fetchval(_FIRST_HERE, subject)
            if first is None:
                return ["no event of this subject is in the log"]
            return [f"events {from_sequence} to {first - 1} of this subject"] if first > from_sequence else []
        rows = await connection.fetch(_ARCHIVED, since)
    return [f"{row['events']} events of {row['first_at']:%Y-%m}, in {row['file']}" for row in rows]


async def _one(
    connection: asyncpg.Connection, source: Source, month: date, folder: Path, behind: Month | None, *, dry_run: bool
) -> Month:
    first, until = moment(month), moment(_minus(month, -1))
    events, first_id, last_id = await connection.fetchrow(fill(_COUNT, source=source), first, until)
    # A month that went from the middle would look like events that were lost.
    keep = f"{behind.first:%Y-%m} stays before it" if behind else await _needed_by(connection, source, first, until)
    found = Month(source, first, until, events, keep)
    if found.keep is not None or dry_run:
        return found
    file = file_of(folder, source, month)
    digest = await _export(connection, source, found, file)
    columns = (first, until, first_id, last_id, events, str(file.absolute()), digest)

    async def drop() -> None:
        async with connection.transaction():
            await connection.execute(LIMIT, f"{LOCK_MILLISECONDS}ms")
            await connection.execute(fill(_DROP, source=source), month)
            await connection.execute(fill(_RECORD, source=source), *columns)

    await until_free(drop, source)
    return Month(source, first, until, events, file=file)


def file_of(folder: Path, source: Source, month: date) -> Path:
    """Where a month's file lies."""
    return folder / source / f"event_log_{month:%Y_%m}.csv.gz"


async def until_free(work: Callable[[], Awaitable[None]], source: Source) -> None:
    """Do what needs the log for a moment, as soon as nobody else holds it.

    Raises:
        TimeoutError: it was never free.
    """
    for _ in range(ATTEMPTS):
        try:
            await work()
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            return
    raise TimeoutError(f"{source}'s log was never free for a moment: is a long transaction open?")


async def _needed_by(connection: asyncpg.Connection, source: Source, first: datetime, until: datetime) -> str | None:
    if await connection.fetchval(fill(_UNPUBLISHED, source=source), first, until):
        return f"{source}'s relay has not published all of it, or is asked to publish again"
    for consumer in READERS[source]:
        statement = fill(_NEEDED, source=source, consumer=consumer)
        if await connection.fetchval(statement, first, until, NUMBER[source]):
            return f"{consumer} has not applied all of it"
    return None


async def _export(connection: asyncpg.Connection, source: Source, month: Month, file: Path) -> str:
    """Write the month, read it back, and give the file's SHA-256."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = file.with_suffix(".unfinished")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as raw:
        with gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as packed:

            async def write(data: bytes) -> None:
                await asyncio.to_thread(packed.write, data)

            statement = fill(_ROWS, source=source)
            await connection.copy_from_query(
                statement, month.first, month.until, output=write, format="csv", header=True
            )
        raw.flush()
        os.fsync(raw.fileno())
    digest = await asyncio.to_thread(_check, unfinished, month.events)
    unfinished.replace(file)
    file.with_suffix(".gz.sha256").write_text(f"{digest}  {file.name}\n")
    return digest


def _check(file: Path, events: int) -> str:
    with gzip.open(file, "rt", newline="", encoding="utf-8") as rows:
        found = sum(1 for _ in csv.reader(rows)) - 1
    if found != events:
        raise NotWhole(f"{file.name} holds {found} events instead of {events}")
    with file.open("rb") as packed:
        return hashlib.file_digest(packed, "sha256").hexdigest()


def _minus(day: date, months: int) -> date:
    whole = day.year * 12 + day.month - 1 - months
    return date(whole // 12, whole % 12 + 1, 1)


def moment(month: date) -> datetime:
    return datetime(month.year, month.month, 1, tzinfo=UTC)
