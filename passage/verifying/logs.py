"""The event logs by themselves: no sequence missing, no consumer ahead of its producer, no audit row changed.

Everything is read in one snapshot per check, so what is committed meanwhile can't look like a fault.
"""

from collections.abc import Mapping

import asyncpg

from passage.context import settings_of
from passage.recover import READERS
from passage.telling import Finding, Level
from passage.verifying.told import Told
from shared.audit import Break, examine
from shared.contracts.base import SOURCES, Source
from shared.db.migrate import SERVICES, fill
from shared.inbox.positions import NUMBER
from shared.security.keyring import Keyring

NAMED = 10
"""Single cases that are named; their number is told in any case."""

# Within a subject the n-th event by log id must have the sequence n, and the last one the number that `streams` holds.
# Where months were archived, the first ones are missing: as many as the archive holds.
_SEQUENCES = """
with placed as (
    select subject, sequence, row_number() over (partition by subject order by id) as place,
           min(sequence) over (partition by subject) as first
      from {source}.event_log
), told as (
    select subject, count(*) as events, min(first) as first, max(sequence) as last,
           min(sequence) filter (where sequence - place <> first - 1) as wrong
      from placed group by subject
), archive as (
    select coalesce(sum(events), 0)::bigint as events from {source}.event_log_archive
), judged as (
    select subject, coalesce(t.events, 0) as events, t.last, s.sequence as given, t.wrong,
           coalesce(t.first - 1, s.sequence) as gone,
           t.wrong is not null
           or (t.last is distinct from s.sequence and not (t.subject is null and a.events > 0))
           or (t.first > 1 and a.events = 0) as broken
      from told t full join {source}.streams s using (subject) cross join archive a
)
select coalesce(sum(events), 0)::bigint as events, count(*) as subjects, count(*) filter (where broken) as broken,
       coalesce(sum(gone), 0)::bigint as gone, (select events from archive) as archived,
       (array_agg(subject || ': ' || events || ' events, the last is number ' || coalesce(last::text, 'none') || ', '
                  || coalesce(given::text, 'none') || ' were given out' || coalesce(', out of place from ' || wrong, '')
                  order by subject) filter (where broken))[1:10] as named
  from judged
"""
_POSITIONS = """
select count(*) filter (where i.sequence > coalesce(s.sequence, 0)) as ahead,
       coalesce(sum(greatest(coalesce(s.sequence, 0) - coalesce(i.sequence, 0), 0)), 0)::bigint as coming,
       count(i.subject) as subjects,
       (array_agg(i.subject || ': stands at ' || i.sequence || ', the log ends at ' || coalesce(s.sequence, 0)
                  order by i.subject) filter (where i.sequence > coalesce(s.sequence, 0)))[1:10] as named
  from (select subject, sequence from {consumer}.inbox where source = $1) i
  full join {source}.streams s using (subject)
"""
_AUDIT = """
select (select count(*) from audit) as entries, (select max(id) from audit_seals) as seals,
       (select encode(digest, 'hex') from audit_seals order by id desc limit 1) as digest,
       (select count(*) from audit a
         where a.at < clock_timestamp() - interval '10 minutes'
           and not exists (select from audit_sealed s where s.audit_id = a.id)) as late
"""
_SEAL = """
select s.at::timestamp(0)::text || ' UTC, rows ' || min(m.audit_id) || ' to ' || max(m.audit_id) as told
  from audit_seals s join audit_sealed m on m.seal_id = s.id where s.id = $1 group by s.at
"""


async def event_logs(owner: asyncpg.Connection) -> list[Finding]:
    """Each producer's log: gapless and in order within every subject, and as long as was given out."""
    return [await _log(owner, source) for source in SOURCES]


async def _log(owner: asyncpg.Connection, source: Source) -> Finding:
    row = await owner.fetchrow(fill(_SEQUENCES, source=source))
    what, all_of_it = f"{source}: event log", f"{row['events']:,} events of {row['subjects']:,} subjects"
    if row["archived"]:
        all_of_it += f", {row['archived']:,} more in the archive"
    if not row["broken"] and row["gone"] == row["archived"]:
        return Finding(Level.FINE, what, f"{all_of_it}, none missing, all in order")
    if not row["broken"]:
        return Finding(
            Level.ACT,
            what,
            f"{all_of_it}; {row['gone']:,} are not here",
            "events left the log otherwise than by `passage archive`: keep a copy of the database as it is, and "
            "compare it with a backup",
        )
    return Finding(
        Level.ACT,
        what,
        f"{all_of_it}; {row['broken']:,} subjects are not 1, 2, 3 …",
        f"the log is only ever added to, so somebody changed the database: stop {source}, keep a copy of the "
        "database as it is, and restore these subjects' rows from a backup",
        tuple(row["named"]),
    )


async def positions(owner: asyncpg.Connection) -> list[Finding]:
    """Each consumer against each log that it reads: nobody may have applied what was never written."""
    return [await _position(owner, source, consumer) for source, consumers in READERS.items() for consumer in consumers]


async def _position(owner: asyncpg.Connection, source: Source, consumer: str) -> Finding:
    row = await owner.fetchrow(fill(_POSITIONS, source=source, consumer=consumer), NUMBER[source])
    what = f"{consumer}: position in {source}"
    if row["ahead"]:
        return Finding(
            Level.ACT,
            what,
            f"{row['ahead']:,} of {row['subjects']:,} subjects are ahead of the log",
            f"{source} and {consumer} come from different backups: restore all schemas from one, empty the broker, "
            "then `passage relay restored`",
            tuple(row["named"]),
        )
    coming = f", {row['coming']:,} events still to be applied" if row["coming"] else ", all applied"
    return Finding(Level.FINE, what, f"{row['subjects']:,} subjects{coming}")


async def audit_chains(owner: asyncpg.Connection, told: Told | None = None) -> list[Finding]:
    """Each service's audit trail against its seals, and these against what the logs were `told` of them."""
    return [await _chain(owner, service, told) for service in SERVICES]


async def _chain(owner: asyncpg.Connection, service: str, told: Told | None) -> Finding:
    keyring = Keyring.load(settings_of(service).clinic_key_file)
    known = None if told is None else told.get(service, {})
    async with owner.transaction(isolation="repeatable_read", readonly=True):
        await owner.execute(fill("set local search_path = {service}", service=service))
        row = await owner.fetchrow(_AUDIT)
        broken = await examine(owner, keyring, known)
        where = await owner.fetchval(_SEAL, broken.seal) if broken is not None else None
    return _judged(f"{service}: audit trail", service, row, broken, where, known)


def _judged(
    what: str,
    service: str,
    row: asyncpg.Record,
    broken: Break | None,
    where: str | None,
    known: Mapping[int, str] | None,
) -> Finding:
    if broken is not None:
        return Finding(
            Level.ACT,
            what,
            f"{row['entries']:,} entries; {broken} ({where or 'it is not there'})",
            "somebody changed the trail by hand: treat it as an incident, and compare with a backup and with "
            f"the log lines `audit.sealed` of {service}, which were kept elsewhere",
        )
    if known is not None and row["seals"] and not known:
        return Finding(
            Level.LOOK, what, f"{row['entries']:,} entries, the chain holds, but the logs tell of none of its seals",
            f"are {service}'s log files among those that were named, with their lines `audit.sealed`?",
        )  # fmt: skip
    if row["late"]:
        return Finding(
            Level.LOOK, what, f"{row['late']:,} entries have waited for their seal for more than 10 minutes",
            f"is {service} running? Its log says why its job `_seal_audit` fails",
        )  # fmt: skip
    last = f", the last seal is {row['seals']} ({row['digest'][:12]}…)" if row["seals"] else ", none sealed yet"
    fits = f"; {len(known):,} seals are as the logs were told" if known else ""
    return Finding(Level.FINE, what, f"{row['entries']:,} entries, the chain holds{last}{fits}")
