"""`passage keys`: the clinic's keys, by which patients' keys are closed. Each command says what comes next."""

import asyncio
from collections import Counter
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

keys = typer.Typer(
    no_args_is_help=True,
    help="The clinic's keys: rotate, then rewrap, and when the topics have forgotten too, retire.",
)
console = Console()


@keys.command("status")
def status() -> None:
    """Which key is active, and how many rows of which table hang on which key."""
    from passage import keys as work

    keyring, rows = work.ring(work.key_file()), asyncio.run(work.count())
    table = Table("Key", "In the file", "Rows", "Where", box=None)
    for kid in sorted({*keyring.ids, *rows}):
        told = "active" if kid == keyring.active else "opens" if kid in keyring.ids else "[bold red]missing[/]"
        where = rows.get(kid, Counter[str]())
        table.add_row(kid, told, str(where.total()), ", ".join(f"{name} {n}" for name, n in sorted(where.items())))
    console.print(table)
    raise typer.Exit(0 if keyring.ids >= rows.keys() else 1)


@keys.command("rotate")
def rotate() -> None:
    """Add a fresh key to the key file and make it the active one. Running services take it over by themselves."""
    from passage import keys as work

    file = work.key_file()
    console.print(f"{work.rotate(file)} is active in {file}", highlight=False, soft_wrap=True)
    console.print("Bring this file to every machine that runs a service and keep a copy where backups don't go;")
    console.print("then: passage keys rewrap")


@keys.command("rewrap")
def rewrap() -> None:
    """Close anew, with the active key, what older keys closed. Runs beside everything; may be stopped and run again."""
    from passage import keys as work

    keyring = work.ring(work.key_file())
    for service, done in asyncio.run(work.close_anew(keyring)).items():
        told = ", ".join(f"{table} {rows}" for table, rows in done.items()) or "nothing to do"
        console.print(f"{service}: {told}", highlight=False)
    console.print("Run it once more after a minute, for what was on its way; then look: passage keys status")


@keys.command("retire")
def retire(
    kid: Annotated[str, typer.Argument(help="The key to take out of the file, such as k1.")],
    topics_forgot: Annotated[
        bool, typer.Option(help="Thirty days have passed since `rotate`: no topic holds an event closed by it.")
    ] = False,
) -> None:
    """Take an old key out of the file, and leave a copy beside it that has it still. Refused while a row hangs on it.

    Backups that are older than the rewrapping open with this key only: keep the copy for as long as you keep them, and
    where they don't go.
    """
    from passage import keys as work

    if not topics_forgot:
        raise typer.BadParameter("topics keep events for 30 days: say --topics-forgot when these have passed")
    copy = work.retire(work.key_file(), kid, asyncio.run(work.count()))
    console.print(f"{kid} is retired; {copy.name}, beside the key file, has it still.", highlight=False, soft_wrap=True)
    console.print("Backups that are older than the rewrapping open with that copy only. Keep it as long as you keep")
    console.print("them, where they don't go.")
