"""`passage dlq`: what a service could not use, and what a person decides about it."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from passage.context import NotConfigured, operator, schema_of, settings_of
from passage.telling import ago, lasted
from shared.contracts.topics import GROUPS
from shared.inbox import letters
from shared.inbox.dead_letters import unseal
from shared.inbox.letters import DeadLetter, Decision, OpenedLetter
from shared.security.keyring import Keyring

dlq = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="What a service could not use: look at it, have it applied again, or let it go.",
)
console = Console()
Service = Annotated[str, typer.Argument(help=f"One of {', '.join(GROUPS)}.")]
AllLetters = Annotated[bool, typer.Option("--all", help="Whatever nobody has decided on.")]
_RECORD = 'select record, topic, partition, "offset" from dead_letters where id = $1'
REASONS = {
    "permanent": "it breaks its contract, or a rule says it can never be used",
    "exhausted": "it failed each time it was tried, for a reason that the program does not know",
    "not an event": "it carries no envelope that can be read: no service of this clinic wrote it",
    "not a request": "it asks for nothing that a relay understands",
}


def _known(service: str) -> str:
    if service not in GROUPS:
        raise NotConfigured(f"{service!r} consumes nothing: one of {', '.join(GROUPS)}")
    return service


def _keyring(service: str) -> Keyring:
    return Keyring.load(settings_of(service).clinic_key_file)


@dlq.command("list")
def listed(
    service: Annotated[str | None, typer.Argument(help="All of them when none is named.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Of each service, the oldest.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: a JSON list.")] = False,
) -> None:
    """Letters that wait for a decision, oldest first. The subject's later events wait behind each of them."""
    found = [
        (name, one)
        for name in ([_known(service)] if service else GROUPS)
        for one in asyncio.run(_waiting(name, limit))
    ]  # fmt: skip
    if as_json:
        typer.echo(json.dumps([{"service": name, **one.model_dump(mode="json")} for name, one in found], indent=2))
        return
    table = Table("Service", "Letter", "Failed (UTC)", "What", "Reason", "Error", "Decided", box=None)
    for name, one in found:
        failed = one.failed_at.strftime("%Y-%m-%d %H:%M:%S")
        decided = f"{one.wanted} by {one.wanted_by}" if one.wanted else one.note or ""
        table.add_row(name, str(one.id), failed, _what(one), one.reason, escape(one.error), decided)
    console.print(table if found else "no dead letters")
    if found:
        console.print("\n→ `passage dlq show SERVICE LETTER`, then `replay` or `drop`", highlight=False)


async def _waiting(service: str, limit: int) -> list[DeadLetter]:
    async with schema_of(service) as connection:
        return await letters.waiting(connection, _keyring(service), limit)


@dlq.command()
def show(
    service: Service,
    letter: UUID,
    raw: Annotated[bool, typer.Option("--raw", help="The record's bytes as they came, also where somebody wrote them.")]
    = False,
) -> None:  # fmt: skip
    """One letter with its reason, its envelope and its decoded body. What was sealed for a patient stays sealed."""
    found = asyncio.run(_look(_known(service), letter))
    if found is None:
        raise NotConfigured(f"{service} has no dead letter {letter}")
    for name, value in _told(found).items():
        console.print(f"[bold]{name}[/]  {escape(value)}", highlight=False, soft_wrap=True)
    if raw:
        typer.echo(asyncio.run(_bytes(service, letter)))
    if found.resolution is None:
        console.print(
            f"\n→ `passage dlq replay {service} {letter}` when the cause is mended, or "
            f"`passage dlq drop {service} {letter} --because …`",
            highlight=False,
            soft_wrap=True,
        )


async def _look(service: str, letter: UUID) -> OpenedLetter | None:
    async with schema_of(service) as connection, connection.transaction():
        return await letters.look(connection, _keyring(service), letter, actor=operator())


async def _bytes(service: str, letter: UUID) -> bytes:
    async with schema_of(service) as connection:
        row = await connection.fetchrow(_RECORD, letter)
    place = {"topic": row["topic"], "partition": row["partition"], "offset": row["offset"]}
    return unseal(_keyring(service), row["record"], **place).value


def _told(letter: OpenedLetter) -> dict[str, str]:
    age = lasted(ago(letter.failed_at, datetime.now(UTC)))
    told = {
        "what": _what(letter),
        "failed": f"{letter.failed_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, {age} ago",
        "reason": f"{letter.reason}: {REASONS.get(letter.reason, letter.reason)}",
        "error": letter.error,
        "place": f"{letter.topic}, partition {letter.partition}, offset {letter.offset}",
        "subject": f"{letter.subject}, number {letter.sequence} of {letter.source}" if letter.subject else "none",
        "waiting": f"{letter.waiting} later events of this subject",
        "decided": _decided(letter),
        "key": letter.key,
        **{f"header {name}": value for name, value in letter.headers.items()},
    }
    body = letter.body
    if body is None:
        told["body"] = f"{letter.size} bytes that somebody outside wrote: not shown (--raw shows them)"
    else:
        told["body"] = body if isinstance(body, str) else json.dumps(body, indent=2, ensure_ascii=False)
    return {name: value for name, value in told.items() if value}


def _decided(letter: OpenedLetter) -> str:
    if letter.resolution:
        told = f"{letter.resolution} by {letter.wanted_by}"
    elif letter.wanted:
        told = f"{letter.wanted} by {letter.wanted_by}; the running service does it within seconds"
    else:
        told = letter.note or ""
    return f"{told}, because {letter.because}" if letter.because else told


def _what(letter: DeadLetter) -> str:
    return letter.type.split(".")[2] if letter.type else f"a record of {letter.topic}"


@dlq.command()
def replay(
    service: Service,
    letter: Annotated[UUID | None, typer.Argument(help="One letter; or say --all.")] = None,
    every: AllLetters = False,
    event: Annotated[
        str | None, typer.Option("--type", help="With --all: only this event, such as LeadCreated.")
    ] = None,
) -> None:
    """Have the running service apply it again, once its cause is mended: a contract, a rule, a bug.

    Harmless when repeated. What fails again stays, with its new error; what waited behind it follows by itself.
    """
    if (letter is None) is not every:
        raise typer.BadParameter("name one letter, or say --all")
    if letter is not None:
        _decide(service, letter, "replay")
        return
    count = asyncio.run(_replay_all(_known(service), event))
    console.print(f"{service} was told to apply {count} letters again; `passage dlq list {service}` shows what stays")


async def _replay_all(service: str, event: str | None) -> int:
    async with schema_of(service) as connection, connection.transaction():
        return await letters.replay_all(connection, actor=operator(), event=event)


@dlq.command()
def drop(
    service: Service,
    letter: UUID,
    because: Annotated[str, typer.Option(prompt="Because", help="Why it is let go; kept sealed with the letter.")],
) -> None:
    """Go past it for good: what waits behind it is applied without it.

    The event itself stays in its producer's log. What it would have changed here must be put right by hand, where that
    matters.
    """
    if len(because.strip()) < 3:
        raise typer.BadParameter("say why in a few words", param_hint="--because")
    _decide(service, letter, "drop", because.strip())


def _decide(service: str, letter: UUID, wanted: Decision, because: str = "") -> None:
    if not asyncio.run(_told_service(_known(service), letter, wanted, because)):
        raise NotConfigured(f"{service} has no waiting dead letter {letter}")
    console.print(f"{service} was told to {wanted} it; the running service does it within seconds", highlight=False)


async def _told_service(service: str, letter: UUID, wanted: Decision, because: str) -> bool:
    async with schema_of(service) as connection, connection.transaction():
        return await letters.decide(connection, _keyring(service), letter, wanted, actor=operator(), because=because)
