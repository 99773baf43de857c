"""The figures as a table for a person, and as `.passage/bench.json` for whatever comes after."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.harness.figures import Figure


def table(title: str, rows: dict[str, Sequence[Figure]]) -> Table:
    """All figures, benchmark by benchmark."""
    made = Table(title=title, title_justify="left", header_style="bold", pad_edge=False)
    for name in ("benchmark", "what"):
        made.add_column(name)
    for name in ("figure", "base", "ratio", "target"):
        made.add_column(name, justify="right", no_wrap=True)
    made.add_column("met")
    for benchmark, figures in rows.items():
        for number, figure in enumerate(figures):
            made.add_row(
                benchmark if number == 0 else "",
                figure.name + (f" ÷ {figure.against}" if figure.against else ""),
                f"{shown(figure.figure)} {figure.unit}",
                "" if figure.base is None else shown(figure.base),
                "" if figure.ratio is None else f"{figure.ratio:.2f}",
                figure.target,
                {True: "[green]yes[/]", False: "[red]no[/]", None: ""}[figure.met],
            )
        made.add_section()
    return made


def notes(console: Console, rows: dict[str, Sequence[Figure]]) -> None:
    """What the figures don't say by themselves."""
    for benchmark, figures in rows.items():
        for figure in figures:
            if figure.note:
                console.print(f"[dim]{benchmark}, {figure.name}:[/] {figure.note}", highlight=False)


def write(file: Path, broker: str, database: str, rows: dict[str, Sequence[Figure]]) -> None:
    """Put these figures into the file; those of benchmarks that did not run now are kept with their time."""
    kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    benchmarks = kept.get("benchmarks", {})
    for benchmark, figures in rows.items():
        benchmarks[benchmark] = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "broker": broker,
            "database": database,
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "figures": [asdict(figure) for figure in figures],
        }
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.write_text(json.dumps({"benchmarks": benchmarks}, indent=2, ensure_ascii=False) + "\n")


def shown(value: float) -> str:
    """Three digits that matter."""
    if value >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
