"""The commands that come in groups: people, producers, the clock, the relays; and dead letters (`dlq.py`)."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import Console

from passage.context import CLOCK_URL, connected, schema_of, setting
from passage.dlq import dlq
from passage.keys_group import keys

user = typer.Typer(no_args_is_help=True, help="Staff accounts of the built-in identity provider.")
producer = typer.Typer(no_args_is_help=True, help="Who may hand in leads by the API.")
clock = typer.Typer(no_args_is_help=True, help="Business time of a development stack.")
relay = typer.Typer(no_args_is_help=True, help="After the database moved to another cluster.")
GROUPS = {"dlq": dlq, "user": user, "producer": producer, "clock": clock, "relay": relay, "keys": keys}

console = Console()


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@producer.command("add")
def producer_add(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits, hyphens; such as `website`.")],
) -> None:
    """Let a producer of leads in. Its key is shown this once."""
    from passage.users import let_in

    console.print(_run(let_in(name)), soft_wrap=True, highlight=False)


@producer.command("revoke")
def producer_revoke(name: Annotated[str, typer.Argument(help="The producer, as it was let in.")]) -> None:
    """Take all of a producer's keys back, such as one that got into wrong hands; then `add` gives it a new one."""
    from passage.users import shut_out

    console.print(f"{_run(shut_out(name))} taken back; the last of it ends within ten seconds", highlight=False)


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
    """After pg_upgrade or a promotion: go on from here, with what was not published yet and the last day again."""
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
