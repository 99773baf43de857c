"""The page that a person reads after a run: what was done when, what was checked, and what broke it, by its history."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.chaos.facts import Facts
from tests.chaos.history import History
from tests.chaos.invariants import Finding
from tests.chaos.rules import INVARIANTS

MOST_SHOWN = 5
"""Violations of one invariant that are named; the rest is counted."""
MOST_LINES = 60


@dataclass(frozen=True, slots=True)
class Done:
    """A fault as it happened. `skipped`: why it was not done; `told`: what it found while it lasted; `failed`: why it
    did not do what its name says.
    """

    what: str
    began: datetime
    ended: datetime | None
    skipped: str = ""
    told: str = ""
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One run, for its report."""

    seed: int
    minutes: float
    broker: str
    began: datetime
    ended: datetime
    faults: list[Done]
    facts: Facts
    findings: dict[str, Finding]
    troubles: list[str]

    @property
    def broken(self) -> dict[str, Finding]:
        """The invariants that do not hold."""
        return {name: finding for name, finding in self.findings.items() if finding.violations}

    @property
    def failed(self) -> list[str]:
        """The faults that did not do what their names say: what they were to prove is not proven."""
        return [f"{done.what}: {done.failed}" for done in self.faults if done.failed]


def write(run: Run, history: History, folder: Path) -> Path:
    """Write `report.md` into the folder; its path."""
    lines = [*_head(run), *_timeline(run), *_table(run), *_broken(run, history), *_troubles(run)]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "report.md"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def _head(run: Run) -> list[str]:
    facts = run.facts
    verdict = f"**{len(run.broken)} invariants are broken.**" if run.broken else "**All twelve invariants hold.**"
    if run.failed:
        verdict += f" **{len(run.failed)} faults did not do what their names say.**"
    return [
        f"# Under fire, seed {run.seed}",
        "",
        verdict,
        "",
        f"Began {run.began:%Y-%m-%d %H:%M:%S} UTC and took {_minutes(run)}, on {run.broker}.",
        f"{len(facts.contacts)} contacts, {len(facts.attempts)} bookings, moves and decisions,",
        f"{len(facts.log)} events, {len(facts.topic)} records, {len(facts.effects)} effects,",
        f"{len(facts.deliveries)} messages delivered.",
        "",
        f"Again: `make chaos SEED={run.seed} MINUTES={run.minutes:g}`",
        "",
    ]


def _minutes(run: Run) -> str:
    minutes, seconds = divmod(round((run.ended - run.began).total_seconds()), 60)
    return f"{minutes} min {seconds} s"


def _timeline(run: Run) -> list[str]:
    lines = ["## What was done", "", "| After | Lasted | Fault | Found |", "|---|---|---|---|"]
    for done in run.faults:
        after = (done.began - run.began).total_seconds()
        lasted = f"{(done.ended - done.began).total_seconds():.1f} s" if done.ended else ""
        lines.append(f"| {after:.1f} s | {lasted} | {done.what} | {_found(done)} |")
    return [*lines, ""]


def _found(done: Done) -> str:
    if done.skipped:
        return f"not done: {done.skipped}"
    return f"**did not come off:** {done.failed.splitlines()[0]}" if done.failed else done.told


def _table(run: Run) -> list[str]:
    lines = ["## What was checked", "", "| Invariant | | Figure | States |", "|---|---|---|---|"]
    for name, finding in run.findings.items():
        mark = f"**broken, {len(finding.violations)}**" if finding.violations else "holds"
        states = " ".join((INVARIANTS[name].__doc__ or "").split("\n\n")[0].split()).lstrip("0123456789. ")
        lines.append(f"| {name} | {mark} | {finding.figure} | {states} |")
    return [*lines, ""]


def _broken(run: Run, history: History) -> list[str]:
    lines: list[str] = []
    for name, finding in run.broken.items():
        lines += [f"## {name}", ""]
        lines += [f"- `{one.id}`: {one.what}" for one in finding.violations[:MOST_SHOWN]]
        if len(finding.violations) > MOST_SHOWN:
            lines.append(f"- and {len(finding.violations) - MOST_SHOWN} more")
        first = finding.violations[0].id
        lines += ["", f"The history of `{first}`:", "", "```", *story_of(first, run.facts, history), "```", ""]
    return lines


def story_of(id_: str, facts: Facts, history: History) -> list[str]:
    """Everything known of one id, in order of time as far as it has one."""
    dated: list[tuple[str, str]] = [(line["at"], _said(line)) for line in history.of(id_)]
    dated += [
        (event.at.isoformat(timespec="milliseconds"), f"log: {event.type} {event.source}/{event.sequence} {event.id}")
        for event in facts.log
        if id_ in (event.subject, event.id)
    ]
    dated += [
        (effect.at.isoformat(timespec="milliseconds"), f"{effect.consumer} applied {effect.source}/{effect.sequence}")
        for effect in facts.effects
        if effect.subject == id_ and effect.at is not None
    ]
    rest = [
        f"topic: {one.source}/{one.sequence} {one.id} at {one.partition}:{one.offset}, epoch {one.epoch}"
        f"{', forged' if one.forged else ''}"
        for one in facts.topic
        if id_ in (one.subject, one.id)
    ]
    rest += [str(one) for one in facts.messages if id_ in (one.id, one.patient)]
    rest += [str(one) for one in facts.deliveries if one.message == id_]
    rest += [str(one) for one in facts.letters if id_ in (one.id, one.content)]
    rest += [str(one) for one in facts.bookings if one.appointment == id_]
    told = [f"{at}  {what}" for at, what in sorted(dated)] + rest
    return told[:MOST_LINES] + ([f"… and {len(told) - MOST_LINES} more lines"] if len(told) > MOST_LINES else [])


def _said(line: dict[str, Any]) -> str:
    more = {key: value for key, value in line.items() if key not in ("at", "who", "what", "id") and value is not None}
    return f"{line['who']}: {line['what']} {more or ''}".rstrip()


def _troubles(run: Run) -> list[str]:
    lines = ["## What the supervisor saw", ""]
    lines += [f"- {trouble.splitlines()[0]}" for trouble in run.troubles]
    return lines
