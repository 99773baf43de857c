"""`passage up`: the whole of Passage on this machine, told in a terminal."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from deploy.embedded.processes import StartFailed
from deploy.embedded.stack import Stack
from deploy.embedded.wiring import Value


class Terminal:
    """Progress as it happens, with the seconds since the start."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()

    def step(self, text: str) -> None:
        self._console.print(f"[dim]{time.monotonic() - self._began:5.1f} s[/]  {text}", highlight=False)

    def trouble(self, text: str) -> None:
        first, _, rest = text.partition("\n")
        self._console.print(f"[bold yellow]![/] {first}", highlight=False)
        if rest:
            self._console.print(rest, style="dim", markup=False, highlight=False)


async def up(
    state: Path,
    *,
    ports: Literal["usual", "any"],
    clinic: Path,
    console: Console,
    settings: dict[str, dict[str, Value]] | None = None,
    then: Callable[[Stack, Console], Awaitable[None]] | None = None,
) -> int:
    """Run until Ctrl-C or SIGTERM; gives the exit code. `then` is what to do once all is ready: else it is told."""
    terminal = Terminal(console)
    stack = Stack(state, ports=ports, clinic=clinic, teller=terminal, settings=settings)
    ending = asyncio.Event()
    running = asyncio.current_task()
    assert running is not None
    loop = asyncio.get_running_loop()
    starting = asyncio.create_task(_begin(stack, console, then or _tell))

    def end() -> None:
        ending.set()
        starting.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    try:
        await starting
        await ending.wait()
        terminal.step("Stopping")
    except StartFailed as error:
        terminal.trouble(str(error))
        return 1
    except asyncio.CancelledError:
        terminal.step("Stopped before it was ready")
        return 130
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, lambda: None)  # a second Ctrl-C can't interrupt the clean end
        await stack.stop()
    return 0


async def _begin(stack: Stack, console: Console, then: Callable[[Stack, Console], Awaitable[None]]) -> None:
    await stack.start()
    await then(stack, console)


async def _tell(stack: Stack, console: Console) -> None:
    tell_places(stack, console)
    console.print(
        f"\nThe sandbox shows everyone's authenticator codes. All of this is in {stack.state / 'stack.json'}.\n"
        "Ctrl-C stops everything; what happened stays in this folder. `make reset` starts over.",
        highlight=False,
    )


def tell_places(stack: Stack, console: Console) -> None:
    """Where everything is, and who may sign in."""
    places = Table.grid(padding=(0, 2))
    for what, name, path in (
        ("Staff board", "dashboard", "/"),
        ("Patients' form", "intake", "/"),
        ("Phone and mailbox of the sandbox", "sandbox", "/"),
        ("For developers: doors, APIs, events", "dashboard", "/developers"),
    ):
        places.add_row(what, f"[bold cyan]{stack.url(name)}{path}[/]")
    people = Table(title="Staff log-ins", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("Role", "Name", "Username", "Password"):
        people.add_column(column)
    for one in stack.facts["logins"]:
        people.add_row(one["role"].replace("_", " "), one["name"], one["id"], one["password"])
    console.print()
    console.print(places)
    console.print()
    console.print(people)
