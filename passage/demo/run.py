"""`passage demo`: a stack of its own, the play, then the stack is the visitor's until Ctrl-C."""

import json
import os
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from deploy.embedded.stack import DEMO, Stack
from deploy.embedded.wiring import Value
from passage.context import NotConfigured
from passage.demo.cast import CAST
from passage.demo.outside import ClockStuck
from passage.demo.play import play
from passage.demo.playbill import Playbill
from passage.demo.stage import Stage
from passage.ending import reset
from passage.up import tell_places, up
from shared.contracts.topics import GROUPS

BRISK: dict[str, dict[str, Value]] = {name: {"kafka_fetch_wait_ms": 50} for name in GROUPS}
"""Each consumer asks the embedded broker more often than it does on a machine that has other things to do."""

QUICK: dict[str, dict[str, Value]] = BRISK | {
    "notifications": BRISK["notifications"] | {"delivery_poll_seconds": 0.1},
    "sandbox": {"transit_seconds": 0.05, "settle_seconds": 0.25},
}
"""A faster post and a clock that settles sooner: two weeks pass in about a minute."""

MARK = "demo.json"
"""Makes a folder a demo's; afterwards it says by code where everybody came to."""

TO_TRY = """
Sign in to the board as [bold]dana[/] (front desk). What needs her is at the top: Grace Kim and Owen Castillo wait for
an answer, and their clocks run.

Tamika Brooks has no ride home: her session at {held} is held. On the sandbox phone answer [bold]1[/] as {phone}, and
see it released. Or press the button beside her task.

Dr Osei is ill tomorrow. Helena Novak was handed to Dr Ríos; Ben Turner still needs somebody: press [bold]Find somebody
else[/] beside his task, or look at the day with [bold]Who is away[/].

Sign in as [bold]osei[/] (provider, in another browser window), open Walter Brandt and try to approve him.

As [bold]tran[/] (monitor) look at Today and at Jonah Price's story; as [bold]audit[/] see who may only read.

In the sandbox move the clock on, and see who hears what.
"""


async def run(state: Path, *, ports: Literal["usual", "any"], console: Console) -> int:
    """Start over in `state`, play, and stay up until Ctrl-C; gives the exit code.

    Raises:
        NotConfigured: the folder is not a demo's, or a demo runs in it.
    """
    _start_over(state, console)
    return await up(state, ports=ports, clinic=DEMO, console=console, settings=QUICK, then=_play)


def _start_over(state: Path, console: Console) -> None:
    mark = state / MARK
    if state.exists() and any(state.iterdir()) and not mark.exists():
        raise NotConfigured(f"{state} is not a demo's folder: what is in it is somebody's own, and a demo starts over")
    if (state / "lock").exists():
        reset(state)
        console.print("The last demo is forgotten; this one starts over.", highlight=False)
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    mark.write_text("{}")


async def _play(stack: Stack, console: Console) -> None:
    stage = await Stage.open(stack.facts)
    console.print()
    try:
        with Playbill(console, CAST, stage.clinic.tz) as bill:
            ended = await play(stage, bill)
        (stack.state / MARK).write_text(json.dumps({code: asdict(one) for code, one in ended.items()}, indent=2))
        tell_places(stack, console)
        console.print("\nThe sandbox shows everyone's authenticator codes.\n", highlight=False)
        if any(one.wrong for one in ended.values()):
            console.print("[bold yellow]![/] Not everybody came to their end; the line above says why.")
        else:
            phone = next(role.phone for role in CAST if role.code == "no-ride")
            held = await _held_at(stage, ended["no-ride"].patient_id)
            _tell_what_to_try(console, held, phone)
    except ClockStuck as error:
        console.print(f"[bold red]The clock stands still:[/] {error}", highlight=False)
    finally:
        await stage.close()
    again = f"python -m passage --state {os.path.relpath(stack.state)} up"
    console.print(
        f"Ctrl-C stops it. `make demo` starts over; `{again}` brings this one back.", highlight=False, soft_wrap=True
    )


def _tell_what_to_try(console: Console, held: str, phone: str) -> None:
    steps = Table.grid(padding=(0, 1))
    steps.add_column(justify="right", style="dim")
    for number, words in enumerate(TO_TRY.format(held=held, phone=phone).split("\n\n"), start=1):
        steps.add_row(str(number), " ".join(words.split()))
    console.print("[bold]Where to look, and what to try[/]")
    console.print(steps)
    console.print()


async def _held_at(stage: Stage, patient: str) -> str:
    booked = await stage.staff["dana"].ask("scheduling", "GET", f"/api/v1/patients/{patient}/appointments")
    held = next(one["starts_at"] for one in booked["appointments"] if one["state"] == "held")
    return f"{datetime.fromisoformat(held).astimezone(stage.clinic.tz):%H:%M}"
