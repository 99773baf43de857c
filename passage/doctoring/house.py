"""The database itself: long transactions, disk, connections, partitions, the audit's sealer, its backups."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from passage.doctoring import limits
from passage.telling import Finding, Level, ago, lasted
from shared.contracts.base import SOURCES
from shared.db.backups import backed_up_at
from shared.db.migrate import SERVICES, fill

_WRITING = """
select pid, coalesce(nullif(application_name, ''), usename::text) as who, xact_start, state
  from pg_stat_activity where backend_xid is not null and datname = current_database() and pid <> pg_backend_pid()
 order by xact_start limit 3
"""
_PREPARED = "select count(*) from pg_prepared_xacts where database = current_database()"
_SNAPSHOTS = """
select pid, coalesce(nullif(application_name, ''), usename::text) as who, xact_start
  from pg_stat_activity where backend_xmin is not null and datname = current_database() and pid <> pg_backend_pid()
 order by xact_start limit 1
"""
_SIZE = """
select pg_database_size(current_database()) as size, (select sum(size) from pg_ls_waldir())::bigint as wal,
       current_setting('data_directory') as folder,
       (select count(*) from pg_stat_activity where backend_type = 'client backend') as connections,
       current_setting('max_connections')::int as allowed,
       (select count(*) from pg_replication_slots where not active) as idle_slots
"""
_PARTITIONS = """
select max(c.relname) filter (where c.relname ~ '_[0-9]{4}_[0-9]{2}$') as last,
       'event_log_' || to_char(now() at time zone 'utc' + interval '1 month', 'YYYY_MM') as wanted
  from pg_inherits h join pg_class c on c.oid = h.inhrelid
 where h.inhparent = $1::text::regclass
"""
_STRAYED = "select exists (select from {source}.event_log_default)"
_UNSEALED = """
select min(a.at) as oldest, count(*) as entries from {service}.audit a
 where a.at > clock_timestamp() - interval '2 days'
   and not exists (select from {service}.audit_sealed s where s.audit_id = a.id)
"""


def size(count: int) -> str:
    """Bytes as a person says them."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


async def transactions(owner: asyncpg.Connection) -> list[Finding]:
    """The oldest transaction that writes, and the oldest snapshot that is held."""
    now = datetime.now(UTC)
    writing = await owner.fetch(_WRITING)
    prepared = await owner.fetchval(_PREPARED)
    age = ago(writing[0]["xact_start"], now) if writing else 0.0
    level = Level.ACT if prepared else limits.WRITING_SECONDS.level(age)
    figure = f"{writing[0]['who']} since {lasted(age)}" if writing else "none open"
    found = Finding(
        level,
        "oldest writing transaction",
        figure + (f"; {prepared} prepared ones that nobody finishes" if prepared else ""),
        f"its events wait for its end, others don't: `select pg_terminate_backend({writing[0]['pid']})` when nobody "
        "needs it"
        if level and writing
        else "see pg_prepared_xacts; `rollback prepared`" if prepared else "",
        tuple(f"{row['who']}, process {row['pid']}, {row['state']}" for row in writing) if level else (),
    )  # fmt: skip
    held = await owner.fetchrow(_SNAPSHOTS)
    old = ago(held["xact_start"], now) if held else 0.0
    level = limits.SNAPSHOT_SECONDS.level(old)
    do = (
        f"dead rows pile up meanwhile: `select pg_terminate_backend({held['pid']})` if it is forgotten" if level else ""
    )
    return [found, Finding(level, "oldest snapshot", f"{held['who']} since {lasted(old)}" if held else "none held", do)]


async def storage(owner: asyncpg.Connection) -> list[Finding]:
    """How large the database is, how much room is left where it lies, and how many connections are in use."""
    row = await owner.fetchrow(_SIZE)
    share = row["connections"] / row["allowed"]
    level = limits.WAL_BYTES.level(row["wal"])
    slots = f"; {row['idle_slots']} replication slots that nobody reads" if row["idle_slots"] else ""
    return [
        _disk(row["size"], Path(row["folder"])),
        Finding(
            max(level, Level.LOOK if row["idle_slots"] else Level.FINE),
            "write-ahead log",
            f"{size(row['wal'])}{slots}",
            "it grows until the slot is read or dropped: `select * from pg_replication_slots`" if slots else
            "see whether archiving fails: `select * from pg_stat_archiver`" if level else "",
        ),
        Finding(
            limits.CONNECTION_SHARE.level(share),
            "connections",
            f"{row['connections']} of {row['allowed']}",
            "fewer processes, a smaller PASSAGE_<SERVICE>_DATABASE_POOL, or a larger max_connections"
            if limits.CONNECTION_SHARE.level(share)
            else "",
        ),
    ]  # fmt: skip


def _disk(used: int, folder: Path) -> Finding:
    """Where the database lies, as far as that is seen from here: in a container it is not, and yet its volume is mostly
    on the disk that holds the container too.
    """
    what, where = "disk", ""
    try:
        disk = shutil.disk_usage(folder)
    except OSError:
        disk = shutil.disk_usage("/")
        where = " where this runs; the database's own folder isn't seen from here"
    level = limits.DISK_USED_SHARE.level(1 - disk.free / disk.total)
    do = "make room or a larger disk now; old months of event logs can go to an archive" if level else ""
    return Finding(level, what, f"database {size(used)}, {size(disk.free)} of {size(disk.total)} free{where}", do)


async def partitions(owner: asyncpg.Connection) -> list[Finding]:
    """Whether next month's part of each event log is there already."""
    missing, strayed, last = [], [], ""
    for source in SOURCES:
        row = await owner.fetchrow(_PARTITIONS, f"{source}.event_log")
        newest = row["last"] or "event_log_none"
        last = min(last or newest, newest)
        if newest == "event_log_none" or newest < row["wanted"]:
            missing.append(source)
        if await owner.fetchval(fill(_STRAYED, source=source)):
            strayed.append(source)
    do = (
        f"the relays make them: is one leading for {', '.join(missing)}? Until then events land in the default "
        "partition, which is slower, not wrong"
    )
    figure = f"made ahead to {last.removeprefix('event_log_').replace('_', '-')}"
    if strayed:
        figure += f"; some of {', '.join(strayed)} lie in the default partition"
    return [Finding(Level.LOOK if missing else Level.FINE, "event log partitions", figure, do if missing else "")]


async def sealing(owner: asyncpg.Connection) -> list[Finding]:
    """Whether audit rows get their seals."""
    oldest, entries, waiting = 0.0, 0, []
    for service in SERVICES:
        row = await owner.fetchrow(fill(_UNSEALED, service=service))
        age = ago(row["oldest"], datetime.now(UTC))
        entries += row["entries"]
        if limits.UNSEALED_SECONDS.level(age):
            waiting.append(service)
        oldest = max(oldest, age)
    level = limits.UNSEALED_SECONDS.level(oldest)
    figure = f"{entries} entries to be sealed, the oldest for {lasted(oldest)}" if entries else "all entries sealed"
    return [Finding(level, "audit trail", figure, f"are they running: {', '.join(waiting)}?" if level else "")]


async def backups(owner: asyncpg.Connection, environment: str) -> list[Finding]:
    """How old the newest backup is, as whoever made it told the database. A try-out needs none."""
    told = await backed_up_at(owner)
    age = ago(told, datetime.now(UTC))
    level = limits.BACKUP_SECONDS.level(age) if told else Level.ACT
    if environment != "production":
        level = Level.FINE
    do = "see why it failed, or was not run: deploy/RUNBOOK.md, Backup" if level else ""
    return [Finding(level, "backup", f"the newest is {lasted(age)} old" if told else "none was told of", do)]
