"""Archived months come back into the event logs, so that a replay or a rebuild reaches them again.

The promise: what comes back is what went, event for event, each with its id, its sequence and the key that its patient
still has; nothing of it is published again by itself; the log has no hole at any moment, for the newest month comes
first, and whoever wants an old one gets all that came after it too. Writers wait for a moment only. Needs the owner's
rights.
"""

import asyncio
import gzip
import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import asyncpg

from passage.archiving import LIMIT, LOCK_MILLISECONDS, NotWhole, file_of, moment, until_free
from shared.contracts.base import SOURCES, Source
from shared.db.migrate import fill

COLUMNS = (
    "id", "at", "event_id", "subject", "sequence", "partition", "type", "time", "actor", "correlation", "causation",
    "traceparent", "body",
)  # fmt: skip

_AWAY = """
select first_at, until_at, events, sha256 from {source}.event_log_archive where first_at >= $1 order by first_at desc
"""
_ASIDE = """
drop table if exists {source}.event_log_coming_back;
create table {source}.event_log_coming_back (like {source}.event_log including indexes including constraints);
-- Older than every snapshot: it was committed and published long ago, so no window of the relay begins with it.
alter table {source}.event_log_coming_back alter column xid set default '3'
"""
# A key that belongs to the event's subject: a patient's first event has it, and a task of nobody known. Whoever was
# erased meanwhile has none, and stays unreadable.
_KEYS = """
update {source}.event_log_coming_back e
   set body = (e.body::jsonb || jsonb_build_object('key', jsonb_build_object('kid', k.kid, 'wrapped', k.wrapped)))::json
  from {source}.patient_keys k
 where k.subject = e.subject and e.body::jsonb -> 'key' = 'null'::jsonb
   and (e.type like '%.LeadCreated.%' or (e.type like '%.TaskRaised.%' and e.body ->> 'patient_id' is null))
"""
_COUNT = "select count(*), min(at), max(at) from {source}.event_log_coming_back"
_GONE = "drop table if exists {source}.event_log_coming_back"
_FORGET = "delete from {source}.event_log_archive where first_at = $1"
_BACK = "select {source}.attach_event_log_month($1)"


@dataclass(frozen=True, slots=True)
class Returned:
    """A month of one log that came back, or with a dry run would."""

    source: Source
    first: datetime
    events: int
    file: Path


async def unarchive(connection: asyncpg.Connection, folder: Path, since: date, *, dry_run: bool) -> list[Returned]:
    """Bring back every archived month from the one of `since` on, from the files in `folder`; newest first.

    Raises:
        NotWhole: a file is missing, or isn't the one that was written. TimeoutError: the log was never free for a
        moment. Months that came back before stay.
    """
    found = [
        (Returned(source, row["first_at"], row["events"], file_of(folder, source, row["first_at"])), row)
        for source in SOURCES
        for row in await connection.fetch(fill(_AWAY, source=source), moment(since.replace(day=1)))
    ]
    for month, row in found:  # before anything is changed: half of what was wanted helps nobody
        await asyncio.to_thread(_check, month.file, row["sha256"])
    if not dry_run:
        for month, row in found:
            await _one(connection, month, row["until_at"])
    return [month for month, _ in found]


async def _one(connection: asyncpg.Connection, month: Returned, until: datetime) -> None:
    source = month.source
    try:
        async with connection.transaction():
            await connection.execute(fill(_ASIDE, source=source))
            with gzip.open(month.file, "rb") as rows:
                await connection.copy_to_table(
                    "event_log_coming_back", schema_name=source, source=rows, columns=COLUMNS, format="csv", header=True
                )
            events, first, last = await connection.fetchrow(fill(_COUNT, source=source))
            if events != month.events or (events and not (month.first <= first and last < until)):
                raise NotWhole(f"{month.file} holds {events} events instead of the {month.events} of its month")
            await connection.execute(fill(_KEYS, source=source))

        async def attach() -> None:
            async with connection.transaction():
                await connection.execute(LIMIT, f"{LOCK_MILLISECONDS}ms")
                await connection.execute(fill(_BACK, source=source), month.first.date())
                await connection.execute(fill(_FORGET, source=source), month.first)

        await until_free(attach, source)
    finally:
        await connection.execute(fill(_GONE, source=source))


def _check(file: Path, sha256: str) -> None:
    if not file.is_file():
        raise NotWhole(f"{file} is not there: name the folder that the files were archived in")
    with file.open("rb") as packed:
        if hashlib.file_digest(packed, "sha256").hexdigest() != sha256:
            raise NotWhole(f"{file} is not what was archived: its SHA-256 differs")
