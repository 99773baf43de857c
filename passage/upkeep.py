"""Commands that look after a running system: doctor, verify, rebuild, replay, archive. Each says what to do next."""

import asyncio
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from passage import archiving, telling
from passage.context import OWNER_URL, connected, setting, settings_of
from passage.replaying import BEGINNING, PER_SECOND, Forecast, Wish, ask, forecast, needed, source_of
from passage.telling import Finding, Level
from passage.unarchiving import Returned, unarchive
from passage.verifying.told import Told

console = Console()
AsJson = Annotated[bool, typer.Option("--json", help="For programs: one JSON document.")]


def verify(
    parts: Annotated[list[str] | None, typer.Argument(help="Only these; all of them when none is named.")] = None,
    logs: Annotated[
        list[Path] | None,
        typer.Option(
            "--logs", allow_dash=True, help="A log file of services (`-`: standard input); once for each file."
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Compare what is kept with what the event logs say, on a system that goes on working.

    Looks at `logs` (each producer's log is gapless and in order, no consumer is ahead of it), `audit` (each service's
    audit trail fits its seals), `dashboard` (its whole read model against a fresh rebuild), and `assessment`,
    `scheduling`, `notifications` (what they keep of other services' facts, against the same).

    Changes nothing: the rebuild happens in temporary tables inside read-only transactions, with the services' own
    handlers, up to the position that each service has reached. Exits with 0 when all is equal, else with 1; each
    difference is named by its id. Once a night is a good habit; after a restore it is the first thing to run.

    With --logs the audit's seals are compared with what the logs were told of them (`audit.sealed`): a trail whose end
    was cut off, or sealed again by somebody who had the key, shows in no other way.
    """
    from passage.verifying.run import PARTS
    from passage.verifying.told import told_in

    unknown = set(parts or ()) - set(PARTS)
    if unknown:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: choose from {', '.join(PARTS)}")
    # Read before the database is: whatever the logs tell of has been committed by then.
    told = told_in(logs) if logs else None
    found = asyncio.run(_verify(setting(OWNER_URL), parts or list(PARTS), told, quiet=json))
    if json:
        typer.echo(telling.as_json(found))
    else:
        _sum_up(found)
    raise typer.Exit(0 if telling.worst(found) is Level.FINE else 1)


async def _verify(owner: str, parts: list[str], told: Told | None, *, quiet: bool) -> list[Finding]:
    from passage.verifying.run import verify as looking

    found = []
    async for one in looking(owner, parts, told):
        found.append(one)
        if not quiet:
            telling.show(console, [one])
    return found


def _sum_up(found: list[Finding]) -> None:
    wrong = sum(1 for one in found if one.level is not Level.FINE)
    told = (
        f"{wrong} of {len(found)} things need a look"
        if wrong
        else f"{len(found)} things looked at, all as they should be"
    )
    console.print(f"\n{told}", highlight=False)


def doctor(json: AsJson = False) -> None:
    """One page on how the system is: what is fine, what is worth a look, where somebody must act, and what to do.

    Looks at the processes and their clocks, the broker, each outbox and consumer, dead letters, parked events and gaps,
    timers, long transactions, disk, connections, partitions and the audit's sealer. Changes nothing and costs the same
    on a database of any size, so a monitor may run it each minute: it exits with 0 when all is fine, 1 when something
    is worth a look, 2 when somebody must act. From when on that is so stands in `passage/doctoring/limits.py`.
    """
    from passage.doctoring.run import doctor as looking

    found = asyncio.run(looking(setting(OWNER_URL)))
    if json:
        typer.echo(telling.as_json(found))
    else:
        telling.show(console, found)
    raise typer.Exit(int(telling.worst(found)))


def rebuild(
    what: Annotated[str, typer.Argument(help="`dashboard`: the one service that owns no truth.")],
    subject: Annotated[UUID | None, typer.Option(help="Only this patient's (or task's) part.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Build a read model anew from the event logs: what `passage verify` found different.

    With --subject one patient leaves the board for a second. Without it the board empties and fills again, newest state
    last; patients and the other services don't notice. Afterwards run `passage verify dashboard`.
    """
    from passage import anew

    if what != "dashboard":
        raise typer.BadParameter("only `dashboard` can be rebuilt: the others own what they keep")
    if subject is None and not yes:
        typer.confirm("The whole board empties and fills again. Go on?", abort=True)
    asyncio.run(anew.rebuild(setting(OWNER_URL), subject))
    console.print("the relays were asked for the events; `passage verify dashboard` says when it is equal")


def replay(
    source: Annotated[str | None, typer.Argument(help="The service whose events are published again.")] = None,
    subject: Annotated[UUID | None, typer.Option(help="Only this patient's (or task's) events.")] = None,
    from_sequence: Annotated[int, typer.Option(min=1, help="With --subject: from this event on.")] = 1,
    since: Annotated[datetime | None, typer.Option(help="What was written since this moment (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option(help="With --since: what was written before this one.")] = None,
    event: Annotated[str | None, typer.Option("--type", help="Only this event, such as LeadCreated.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="The whole log.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would be.")] = False,
    behind: Annotated[bool, typer.Option("--needed", help="Of all services, what some consumer lacks.")] = False,
) -> None:
    """Have a relay publish events again: after the broker lost records, or for somebody who reads the topics anew.

    Harmless at any age and any size: a consumer skips what it has applied, by its position. What it has not, it
    applies, or parks until what comes before it is there. Only the relay publishes; this asks it, and it begins within
    a second. `--needed` finds out by itself what consumers lack: after a loss it is all that is needed.
    """
    if behind:
        for one in asyncio.run(needed(setting(OWNER_URL))):
            told = f"everything since {one.since}" if one.since else f"{one.subjects} subjects"
            console.print(f"{one.source}: {told}", highlight=False)
        return
    if source is None or sum((subject is not None, since is not None, everything)) != 1:
        raise typer.BadParameter("say --needed, or a service and one of --subject, --since, --all")
    if until is not None and since is None:
        raise typer.BadParameter("--until needs --since")
    wish = Wish(source_of(source), subject, from_sequence, _utc(since), _utc(until), event)
    _tell_archived(wish)
    if dry_run:
        _tell_forecast(wish, asyncio.run(forecast(setting(OWNER_URL), wish)))
    else:
        asyncio.run(ask(wish))
        console.print(
            f"asked {source}'s relay; `passage doctor` shows how far it and the consumers are", highlight=False
        )


def _tell_archived(wish: Wish) -> None:
    """A replay publishes what is in the database; what has gone into files is told."""
    since = None if wish.subject else wish.since or BEGINNING
    for line in asyncio.run(
        archiving.missing(wish.source, subject=wish.subject, from_sequence=wish.from_sequence, since=since)
    ):
        console.print(f"[yellow]archived, so not published again:[/] {line}", highlight=False)


def archive(
    folder: Annotated[Path, typer.Argument(help="Where the files go: one compressed file per service and month.")],
    months: Annotated[
        int | None,
        typer.Option(min=1, help="Whole months to keep, instead of each service's LOG_MONTHS_ONLINE."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go, and what stays and why.")] = False,
    restore: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m"], help="Bring back this month and all archived after it, from the same files."),
    ] = None,
) -> None:
    """Move old months of the event logs into files, each checked before its month leaves the database.

    With --restore they come back: a replay or a rebuild reaches them again, until they are archived anew.
    """
    if restore is not None:
        _bring_back(folder, restore.date(), dry_run=dry_run)
        return

    def online(source: str) -> int | None:
        return months or settings_of(source).log_months_online

    async def work() -> list[archiving.Month]:
        today = datetime.now(UTC).date()
        async with connected(setting(OWNER_URL)) as connection:
            return await archiving.archive(connection, folder, online, today=today, dry_run=dry_run)

    found = asyncio.run(work())
    for month in found:
        fate = f"stays: {month.keep}" if month.keep else f"archived in {month.file}" if month.file else "would go"
        console.print(f"{month.source} {month.first:%Y-%m}: {month.events} events, {fate}", highlight=False)
    if not found:
        console.print("nothing is older than what stays online", highlight=False)


def _bring_back(folder: Path, since: date, *, dry_run: bool) -> None:
    async def work() -> list[Returned]:
        async with connected(setting(OWNER_URL)) as connection:
            return await unarchive(connection, folder, since, dry_run=dry_run)

    try:
        found = asyncio.run(work())
    except (archiving.NotWhole, TimeoutError) as error:
        console.print(f"[red]{error}[/]", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
    for month in found:
        fate = "would come back" if dry_run else "is back"
        console.print(
            f"{month.source} {month.first:%Y-%m}: {month.events} events, {fate} from {month.file}", highlight=False
        )
    if not found:
        console.print("no archived month is that late", highlight=False)


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


def _tell_forecast(wish: Wish, told: Forecast) -> None:
    table = Table("Event", "Events", "Subjects", "First (UTC)", "Last (UTC)", box=None)
    for kind in told.kinds:
        written = [moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") for moment in (kind.first, kind.last)]
        table.add_row(kind.event, f"{kind.events:,}", f"{kind.subjects:,}", *written)
    console.print(table)
    for subject, events in told.busiest:
        console.print(f"  {subject}  {events:,} events", highlight=False)
    seconds = max(1, round(told.events / PER_SECOND))
    console.print(
        f"\n{told.events:,} events of {wish.source}, about {seconds:,} s; nothing was asked for", highlight=False
    )
    for consumer, news in told.news.items():
        skipped = told.events - news
        also = f", takes in {news:,} that it has not applied" if news else ""
        console.print(f"  {consumer} skips {skipped:,}{also}", highlight=False)
