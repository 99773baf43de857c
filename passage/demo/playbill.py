"""What is shown while the play goes on: everybody's branch, what happens to them now, and the clinic's clock."""

import time
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Literal, Self
from zoneinfo import ZoneInfo

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from passage.demo.cast import Role

State = Literal["waits", "plays", "ended", "failed"]
SIGNS: dict[State, tuple[str, str]] = {
    "waits": ("·", "dim"),
    "plays": ("▸", "bold cyan"),
    "ended": ("✓", "bold green"),
    "failed": ("✗", "bold red"),
}
STYLES: dict[State, str] = {"waits": "dim", "plays": "", "ended": "", "failed": "red"}
WIDE = 110
"""Columns from which the branch has a place beside what happens."""


@dataclass(slots=True)
class Line:
    """A row: somebody, and how far they are."""

    role: Role
    state: State = "waits"
    words: str = ""


class Playbill:
    """Redrawn in place in a terminal; elsewhere a line for each thing that happens."""

    def __init__(self, console: Console, cast: tuple[Role, ...], zone: ZoneInfo) -> None:
        self.lines = {role.code: Line(role) for role in cast}
        self._console, self._zone = console, zone
        self._now: datetime | None = None
        self._began = time.monotonic()
        self._live = (
            Live(get_renderable=self._shown, console=console, refresh_per_second=8) if console.is_terminal else None
        )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    @property
    def ended(self) -> int:
        """How many have come to their end."""
        return sum(1 for line in self.lines.values() if line.state == "ended")

    def clock(self, now: datetime) -> None:
        """Business time went on."""
        self._now = now

    def tell(self, code: str, words: str, state: State = "plays") -> None:
        """Something happens to somebody."""
        line = self.lines[code]
        line.state, line.words = state, words
        if self._live is None:
            sign, _ = SIGNS[state]
            when = f"{self._now.astimezone(self._zone):%a %d %b %H:%M}" if self._now else ""
            self._console.print(
                f"{when:16} {sign} {line.role.name}: {words}", highlight=False, markup=False, soft_wrap=True
            )

    def _shown(self) -> RenderableType:
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        table.add_column(width=1)
        table.add_column(style="bold", no_wrap=True)
        wide = self._console.width >= WIDE
        if wide:
            table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="ellipsis", no_wrap=True)
        for line in self.lines.values():
            sign, style = SIGNS[line.state]
            branch = [line.role.branch] if wide else []
            words = line.words or ("" if wide else line.role.branch)
            table.add_row(Text(sign, style), line.role.name, *branch, Text(words, STYLES[line.state]))
        return Group(self._head(), "", table)

    def _head(self) -> RenderableType:
        head = Table.grid(padding=(0, 2))
        when = f"{self._now.astimezone(self._zone):%A %d %B, %H:%M}" if self._now else "The clock stands ready"
        bar = ProgressBar(total=len(self.lines), completed=self.ended, width=30)
        told = f"{self.ended} of {len(self.lines)} · {time.monotonic() - self._began:.0f} s"
        head.add_row(Text(when, "bold"), bar, Text(told, "dim"))
        return head
