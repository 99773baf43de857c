"""The commands. Each says in one line what it does; `passage COMMAND --help` says the rest."""

import asyncio
import runpy
import sys
from collections.abc import Coroutine
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape

from passage import upkeep
from passage.context import OWNER_URL, NotConfigured, load_stack, setting, settings_of
from passage.groups import GROUPS
from shared.db.migrate import SERVICES

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help=__doc__,
)
policy = typer.Typer(no_args_is_help=True, help="The clinic's policy file.")
app.add_typer(policy, name="policy")
for name, group in GROUPS.items():
    app.add_typer(group, name=name)
for command in (upkeep.doctor, upkeep.verify, upkeep.rebuild, upkeep.replay, upkeep.archive):
    app.command()(command)

console = Console()
errors = Console(stderr=True)
Service = Annotated[str, typer.Argument(help=f"One of {', '.join(SERVICES)}.")]
State = Annotated[Path, typer.Option(help="The folder of the stack on this machine.", envvar="PASSAGE_STATE")]
DEMO = Path(__file__).parents[1] / "deploy" / "clinics" / "harbor.toml"


USUAL_STATE = Path(".passage")
DEMO_STATE = Path(".passage-demo")


class _Context:
    state = USUAL_STATE


@app.callback()
def _found(state: State = USUAL_STATE) -> None:
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
def demo(
    ports: Annotated[str, typer.Option(help="`usual`, avoiding taken ones, or `any` free ones.")] = "usual",
) -> None:
    """Twelve patients through every branch, shown as it happens; the stack then stays up until Ctrl-C.

    It has a folder of its own, and starts over each time.
    """
    from passage.demo.run import run

    choice: Literal["usual", "any"] = "any" if ports == "any" else "usual"
    state = _Context.state if _Context.state != USUAL_STATE else DEMO_STATE
    raise typer.Exit(_run(run(state, ports=choice, console=console)))


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
    demo: Annotated[
        bool,
        typer.Option(help="Also a movable clock and demo accounts; development only.", envvar="PASSAGE_DEMO"),
    ] = False,
    newer_is_fine: Annotated[
        bool,
        typer.Option(
            help="Leave a schema as it is that a newer Passage has brought further, as after going back to the release"
            " before; else that is refused.",
            envvar="PASSAGE_NEWER_IS_FINE",
        ),
    ] = False,
) -> None:
    """Bring all schemas up to date, as the owner in PASSAGE_OWNER_DATABASE_URL. Services never do this themselves."""
    from passage.prepare import let_in, try_out
    from shared.db.migrate import MigrationRefused
    from shared.db.migrate import migrate as run

    owner = setting(OWNER_URL)
    try:
        ran = _run(run(owner, newer_is_fine=newer_is_fine))
    except MigrationRefused as error:
        raise NotConfigured(str(error)) from None
    for service, files in ran.items():
        console.print(f"{service}: {', '.join(files) or 'up to date'}", highlight=False)
    if provision:
        _run(let_in(owner))
    if demo:
        _run(try_out(owner))


@app.command()
def roles(
    demo: Annotated[bool, typer.Option(help="Also the clock's role; development only.", envvar="PASSAGE_DEMO")] = False,
) -> None:
    """Let every service's role log in with the password in its address; a role that is missing is made."""
    from passage.prepare import let_in

    _run(let_in(setting(OWNER_URL), clock=demo))


@app.command()
def serve(name: Service) -> None:
    """Run one service in this terminal."""
    settings_of(name)
    runpy.run_module(f"services.{name}", run_name="__main__", alter_sys=True)


@app.command()
def topics(
    replication: Annotated[int, typer.Option(min=1, help="Copies of each partition.")] = 1,
    patience: Annotated[float, typer.Option(min=0, help="So many seconds a broker may take to start.")] = 0,
) -> None:
    """Create the topics that are missing, as declared; those that are there keep their records as long as declared."""
    from aiokafka.errors import KafkaError

    from deploy.kafka.topics import create_topics_when_there
    from shared.contracts.topics import TOPICS

    settings = settings_of("intake")
    in_sync = replication - 1 if replication > 1 else None
    asked = {"prefix": settings.kafka_prefix, "replication": replication, "in_sync": in_sync}
    try:
        made = _run(create_topics_when_there(settings.kafka, seconds=patience, **asked))
    except (KafkaError, OSError) as error:
        raise NotConfigured(f"the broker at {settings.kafka} makes no topics ({error}): is it running?") from None
    for topic in TOPICS:
        name = settings.kafka_prefix + topic.name
        console.print(f"{name}  {topic.partitions} partitions{'  created' if name in made else ''}", highlight=False)


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
        console.print(f"[bold red]error[/]  {escape(str(problem))}", highlight=False, soft_wrap=True)
    for warning in report.warnings:
        console.print(f"[yellow]warning[/]  {escape(str(warning))}", highlight=False, soft_wrap=True)
    for entry in report.needs_sign_off:
        console.print(f"[cyan]to sign[/]  {escape(str(entry))}", highlight=False, soft_wrap=True)
    if report.clinic is not None:
        console.print(f"{report.clinic.name}: usable, {len(report.needs_sign_off)} to sign. {report.clinic.hash[:12]}")
    raise typer.Exit(0 if report.usable else 1)
