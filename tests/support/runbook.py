"""deploy/RUNBOOK.md, read as what it is: sections, and the commands that its procedures consist of."""

import re
from functools import cache
from pathlib import Path

FILE = Path(__file__).parents[2] / "deploy" / "RUNBOOK.md"
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_OPEN = re.compile(r"\b[A-Z]{3,}\b(?!=)")
"""What a procedure leaves open is in capitals; `FILE=` is a word of make's."""


@cache
def sections(part: str) -> dict[str, str]:
    """Heading → text of everything under `# part`."""
    [text] = re.findall(rf"(?ms)^# {re.escape(part)}$(.*?)(?=^# |\Z)", FILE.read_text(encoding="utf-8"))
    found = re.split(r"(?m)^## (.+)$", text)[1:]
    return {heading: body.strip() for heading, body in zip(found[::2], found[1::2], strict=True)}


def procedures() -> dict[str, str]:
    """Heading → its commands, one block after the other."""
    return {heading: "".join(_BLOCK.findall(text)) for heading, text in sections("Procedures").items()}


def filled(heading: str, values: dict[str, str]) -> str:
    """A procedure's commands with what they leave open filled in: all of it, and nothing else."""
    commands = "\n".join(line.partition("  #")[0] for line in procedures()[heading].splitlines())
    assert set(_OPEN.findall(commands)) == set(values), f"{heading} leaves open: {_OPEN.findall(commands)}"
    return _OPEN.sub(lambda word: values[word[0]], commands)
