"""The tutorial works as it stands: its blocks are applied to a copy of the project, and what it says to run is run."""

import asyncio
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(diff|python|sh)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NEEDED = ("shared", "services", "deploy", "passage", "tests", "pyproject.toml")
LEFT_OUT = shutil.ignore_patterns("node_modules", "libs", "*.lock")
PROMISED_LINES = 30


class OutOfDate(AssertionError):
    """A block of the page no longer fits the code."""


def blocks() -> list[tuple[str, str]]:
    return [(kind, text) for kind, text in BLOCK.findall(PAGE.read_text(encoding="utf-8"))]


def apply(project: Path, kind: str, text: str) -> None:
    """A new file, or a change of the one place that reads like the block's old lines."""
    head, _, body = text.partition("\n")
    file = project / head.removeprefix("--- " if kind == "diff" else "# ")
    if kind == "python":
        file.write_text(body, encoding="utf-8")
        return
    lines = [(line[:1], line[1:]) for line in body.splitlines()]
    before = "\n".join(line for mark, line in lines if mark in " -") + "\n"
    after = "\n".join(line for mark, line in lines if mark in " +") + "\n"
    code = file.read_text(encoding="utf-8")
    if len(re.findall(f"(?=\n{re.escape(before)})", f"\n{code}")) != 1:
        raise OutOfDate(f"{file.relative_to(project)} no longer has one place for:\n{before}")
    file.write_text(f"\n{code}".replace(f"\n{before}", f"\n{after}")[1:], encoding="utf-8")


async def run(project: Path, command: list[str]) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


@pytest.fixture
def project(tmp_path):
    """The project as somebody has it who begins the tutorial."""
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=LEFT_OUT)
        else:
            shutil.copy2(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.usefixtures("infrastructure")
async def test_the_tutorial_can_be_followed_to_its_end(project):
    changed, said = set(), ""
    for kind, text in blocks():
        if kind != "sh":
            apply(project, kind, text)
            changed.add(text.partition("\n")[0].split(" ", 1)[1])
            continue
        for line in text.splitlines():
            _python, *command = shlex.split(line)
            quiet = ["-n0", "-p", "no:cacheprovider"] if "pytest" in command else []
            said = await run(project, [*command, *quiet])
    assert " passed" in said
    assert (project / "shared/contracts/schemas/intake/InterpreterNeeded.v1.json").is_file()
    code = sorted(name for name in changed if name.endswith(".py"))
    await run(project, ["-m", "ruff", "check", *code])
    await run(project, ["-m", "ruff", "format", "--check", *code])


def test_it_is_as_short_as_it_promises():
    added = [line for kind, text in blocks() if kind == "diff" for line in text.splitlines() if line[:1] == "+"]
    assert len([line for line in added if line[1:].strip()]) <= PROMISED_LINES


def test_a_block_that_no_longer_fits_is_an_error(tmp_path):
    (tmp_path / "code.py").write_text("one\ntwo\ntwo\n")
    apply(tmp_path, "diff", "--- code.py\n one\n+more\n")
    assert (tmp_path / "code.py").read_text() == "one\nmore\ntwo\ntwo\n"
    for gone in ("--- code.py\n three\n+four\n", "--- code.py\n-two\n"):
        with pytest.raises(OutOfDate):
            apply(tmp_path, "diff", gone)
