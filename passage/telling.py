"""How a command that looks after things says what it found: one line per thing, its figure, and what to do next.

The promise: a line that isn't fine says what to do; the exit code is that of the worst line.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import IntEnum

from rich.console import Console
from rich.markup import escape
from rich.table import Table


class Level(IntEnum):
    """How bad it is; the number is the exit code."""

    FINE = 0
    LOOK = 1
    ACT = 2


WORDS = {
    Level.FINE: ("[green]fine[/]", "fine"),
    Level.LOOK: ("[yellow]look[/]", "look"),
    Level.ACT: ("[bold red]act[/]", "act"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. `what` names the thing, `figure` is what was measured with its unit, `do` is the next step.

    `details` are single cases, named by their ids; at most a screen of them.
    """

    level: Level
    what: str
    figure: str
    do: str = ""
    details: tuple[str, ...] = ()


def ago(moment: datetime | None, now: datetime) -> float:
    """Seconds since a moment; 0 where there is none."""
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())


def lasted(seconds: float) -> str:
    """A duration as a person says it."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"


def worst(findings: Sequence[Finding]) -> Level:
    """The level of the worst line; fine where there is none."""
    return max((one.level for one in findings), default=Level.FINE)


def show(console: Console, findings: Sequence[Finding]) -> None:
    """For people: a table, under each line its cases and what to do."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for width in (4, 30, None):
        table.add_column(min_width=width, overflow="fold")
    for one in findings:
        table.add_row(WORDS[one.level][0], escape(one.what), escape(one.figure))
        for detail in one.details:
            table.add_row("", "", f"[dim]{escape(detail)}[/]")
        if one.do:
            table.add_row("", "", f"→ {escape(one.do)}")
    console.print(table, highlight=False)


def as_json(findings: Sequence[Finding]) -> str:
    """For programs: `{"level": "fine", "findings": [{"level", "what", "figure", "do", "details"}]}`."""
    told = [{**asdict(one), "level": WORDS[one.level][1]} for one in findings]
    return json.dumps({"level": WORDS[worst(findings)][1], "findings": told}, indent=2, ensure_ascii=False)
