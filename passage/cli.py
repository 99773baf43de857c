"""The commands. Each says in one line what it does; `passage COMMAND --help` says the rest."""

import asyncio
import runpy
import sys
from collections.abc import Coroutine
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from passage.context import CLOCK_URL, OWNER_URL, NotConfigured, connected, load_stack, schema_of, setting, settings_of
from shared.db.migrate import SERVICES

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
policy = typer.Typer(no_args_is_help=True, help="The clinic's policy file.")
dlq = typer.Typer(no_args_is_help=True, help="What a service could not use.")
user = typer.Typer(no_args_is_help=True, help="Staff accounts of the built-in identity provider.")
clock = typer.Typer(no_args_is_help=True, help="Business time of a development stack.")
relay = typer.Typer(no_args_is_help=True, help="After the database moved to another cluster.")
for group, name in ((policy, "policy"), (dlq, "dlq"), (user, "user"), (clock, "clock"), (relay, "relay")):
    app.add_typer(group, name=name)

console = Console()
errors = Console(stderr=True)
Service = Annotated[str, typer.Argument(help=f"One of {', '.join(SERVICES)}.")]
State = Annotated[Path, typer.Option(help="The folder of the stack on this machine.", envvar="PASSAGE_STATE")]
DEMO = Path(__file__).parents[1] / "deploy" / "clinics" / "harbor.toml"


class _Context:
    state = Path(".passage")


@app.callback()
def _found(state: State = Path(".passage")) -> None:
    _Context.state = state
    load_stack(state)


def main() -> None:
    """The entry point: what a person can put right is said in one line, not in a traceback."""
    try:
        app()
    except NotConfigured as error:
        errors.print(f"[bold red]passage:[/] {error}", highlight=False)
        sys.exit(2)


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@app.command()
def up(
    clinic: Annotated[Path, typer.Option(help="The clinic's policy file.")] = DEMO,
    ports: Annotated[str, typer.Option(help="`usual`, avoiding taken ones, or `any` free ones.")] = "usual",
) -> None:
    """Start everything on this machine and supervise it until Ctrl-C."""
    from passage.up import up as start

    choice: Literal["usual", "any"] = "any" if ports == "any" else "usual"
    raise typer.Exit(_run(start(_Context.state, ports=choice, clinic=clinic, console=console)))


@app.command()
def down() -> None:
    """Stop the stack that `passage up` started in another terminal."""
    from passage.ending import down as run

    console.print(run(_Context.state), highlight=False)


@app.command()
def reset() -> None:
    """Forget everything that happened in this machine's stack: database, sent messages, secrets."""
    from passage.ending import reset as run

    console.print(run(_Context.state), highlight=False)


@app.command()
def migrate(
    provision: Annotated[
        bool, typer.Option(help="Also set the roles' passwords, from the services' addresses.")
    ] = False,
) -> None:
    """Bring all schemas up to date, as the owner in PASSAGE_OWNER_DATABASE_URL. Services never do this themselves."""
    from passage.prepare import dsn_of, passwords_in
    from shared.db.migrate import MigrationRefused
    from shared.db.migrate import migrate as run
    from shared.db.roles import provision as set_passwords

    owner = setting(OWNER_URL)
    try:
        ran = _run(run(owner))
    except MigrationRefused as error:
        raise NotConfigured(str(error)) from None
    for service, files in ran.items():
        console.print(f"{service}: {', '.join(files) or 'up to date'}", highlight=False)
    if provision:
        _run(set_passwords(owner, passwords_in([dsn_of(service) for service in SERVICES])))


@app.command()
def serve(name: Service) -> None:
    """Run one service in this terminal."""
    settings_of(name)
    runpy.run_module(f"services.{name}", run_name="__main__", alter_sys=True)


@app.command()
def topics(replication: Annotated[int, typer.Option(min=1, help="Copies of each partition.")] = 1) -> None:
    """Create the topics that are missing, from the one declaration of them."""
    from deploy.kafka.topics import create_topics
    from shared.contracts.topics import TOPICS

    settings = settings_of("intake")
    in_sync = replication - 1 if replication > 1 else None
    made = _run(create_topics(settings.kafka, prefix=settings.kafka_prefix, replication=replication, in_sync=in_sync))
    for topic in TOPICS:
        name = settings.kafka_prefix + topic.name
        console.print(f"{name}  {topic.partitions} partitions{'  created' if name in made else ''}", highlight=False)


@app.command()
def replay(
    source: Annotated[str | None, typer.Argument(help="The service whose events are published again.")] = None,
    subject: Annotated[UUID | None, typer.Option(help="Only this patient's (or task's) events.")] = None,
    from_sequence: Annotated[int, typer.Option(min=1, help="With --subject: from this event on.")] = 1,
    since: Annotated[datetime | None, typer.Option(help="Everything since this moment (UTC).")] = None,
    everything: Annotated[bool, typer.Option("--all", help="The whole log.")] = False,
    needed: Annotated[bool, typer.Option(help="Of all services, what some consumer has not applied yet.")] = False,
) -> None:
    """Ask a relay to publish events again. Consumers skip what they have."""
    from passage import replaying

    if needed:
        for one in _run(replaying.needed(setting(OWNER_URL))):
            console.print(
                f"{one.source}: {f'everything since {one.since}' if one.since else f'{one.subjects} subjects'}"
            )
        return
    if source is None or sum((subject is not None, since is not None, everything)) != 1:
        raise typer.BadParameter("say --needed, or a service and one of --subject, --since, --all")
    moment = None if subject else (since.replace(tzinfo=UTC) if since else datetime(1970, 1, 1, tzinfo=UTC))
    _run(replaying.ask(source, subject=subject, from_sequence=from_sequence, since=moment))
    console.print(f"asked {source}'s relay", highlight=False)


@app.command(hidden=True)
def prepare() -> None:
    """What the stack's supervisor runs between the database's start and the services'."""
    from passage.prepare import prepare as run

    _run(run())


@app.command(hidden=True)
def refill() -> None:
    """What the stack's supervisor runs when the embedded broker had to be started again."""
    from passage.prepare import refill as run

    _run(run())


@policy.command("check")
def policy_check(file: Annotated[Path, typer.Argument(help="Such as deploy/clinics/harbor.toml.")] = DEMO) -> None:
    """Say what is wrong with a policy file, and what still needs the medical director's signature."""
    from shared.clinic import check

    report = check(file, date.today())  # noqa: DTZ011  the reader's day
    for problem in report.problems:
        console.print(f"[bold red]error[/]  {problem}", highlight=False)
    for warning in report.warnings:
        console.print(f"[yellow]warning[/]  {warning}", highlight=False)
    for entry in report.needs_sign_off:
        console.print(f"[cyan]to sign[/]  {entry}", highlight=False)
    if report.clinic is not None:
        console.print(f"{report.clinic.name}: usable, {len(report.needs_sign_off)} to sign. {report.clinic.hash[:12]}")
    raise typer.Exit(0 if report.usable else 1)


@dlq.command("list")
def dlq_list(
    service: Annotated[str | None, typer.Argument(help="All of them when none is named.")] = None, limit: int = 50
) -> None:
    """Dead letters that wait for a decision, oldest first."""
    from passage import letters

    table = Table("Service", "Letter", "Failed (UTC)", "Type", "Reason", "Error", "Decided", box=None)
    for name in [service] if service else [name for name in SERVICES if name != "identity"]:
        for one in _run(letters.waiting(name, limit)):
            failed = one["failed_at"].strftime("%Y-%m-%d %H:%M:%S")
            table.add_row(
                name,
                str(one["id"]),
                failed,
                one["type"] or one["topic"],
                one["reason"],
                one["error"],
                one["wanted"] or "",
            )
    console.print(table)


@dlq.command("show")
def dlq_show(service: Service, letter: UUID) -> None:
    """One dead letter with its raw record. What was sealed for a patient stays sealed."""
    from passage import letters

    for key, value in _run(letters.show(service, letter)).items():
        console.print(f"[bold]{key}[/]", value, highlight=False, soft_wrap=True)


@dlq.command("replay")
def dlq_replay(service: Service, letter: UUID) -> None:
    """Have the running service apply it again."""
    _decide(service, letter, "replay")


@dlq.command("drop")
def dlq_drop(service: Service, letter: UUID) -> None:
    """Go past it: the subject's later events are applied without it."""
    _decide(service, letter, "drop")


def _decide(service: str, letter: UUID, wanted: str) -> None:
    from passage import letters

    if not _run(letters.decide(service, letter, wanted)):
        raise NotConfigured(f"{service} has no waiting dead letter {letter}")
    console.print(f"{service} was told to {wanted} it", highlight=False)


@user.command("add")
def user_add(
    person: Annotated[str, typer.Argument(help="The person's id in the clinic file.")],
    username: Annotated[str | None, typer.Option(help="The id unless told.")] = None,
    password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)] = "",
) -> None:
    """Make a person's account, or give it a new password and authenticator."""
    from passage.users import add

    enrolment = _run(add(person, username, password))
    console.print(f"Username {enrolment.username}. For the authenticator, shown this once:", highlight=False)
    console.print(enrolment.uri, soft_wrap=True, highlight=False)


@clock.command("show")
def clock_show() -> None:
    """What time the stack thinks it is."""
    _say_time(_run(_clock()))


@clock.command("advance")
def clock_advance(
    days: int = 0,
    hours: int = 0,
    minutes: int = 0,
    reset: Annotated[bool, typer.Option(help="Back to real time.")] = False,
) -> None:
    """Move business time forward. The sandbox's page steps from one due moment to the next, which is kinder."""
    by = timedelta(days=days, hours=hours, minutes=minutes)
    if by < timedelta():
        raise typer.BadParameter("time moves forward only")
    _say_time(_run(_clock(by, reset=reset)))


async def _clock(by: timedelta = timedelta(), *, reset: bool = False) -> timedelta:
    from passage import moving

    async with connected(setting(CLOCK_URL)) as connection:
        return await moving.move(connection, by, reset=reset)


def _say_time(offset: timedelta) -> None:
    console.print(f"{datetime.now(UTC) + offset:%Y-%m-%d %H:%M:%S} UTC, {offset} ahead of real time", highlight=False)


@relay.command("same-history")
def relay_same_history() -> None:
    """After pg_upgrade or a promotion: go on from here, and publish the last day again."""
    _run(_adopt(restored=False))


@relay.command("restored")
def relay_restored() -> None:
    """After restoring all schemas from one backup, with an emptied broker: publish everything again."""
    _run(_adopt(restored=True))


async def _adopt(*, restored: bool) -> None:
    from shared.contracts.base import SOURCES
    from shared.eventlog.cursor import adopt_cluster

    for source in SOURCES:
        async with schema_of(source) as connection:
            await adopt_cluster(connection, restored=restored)
        console.print(f"{source}: its relay goes on in this cluster", highlight=False)
