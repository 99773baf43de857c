"""What `make up` starts, for a test: every process, on free ports, in a folder of its own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from deploy.embedded.stack import Stack
from deploy.embedded.wiring import Value
from passage.demo.run import BRISK

ROOT = Path(__file__).parents[2]


class Troubles:
    """Collects what the supervisor tells."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.troubles: list[str] = []

    def step(self, text: str) -> None:
        self.steps.append(text)

    def trouble(self, text: str) -> None:
        self.troubles.append(text)


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits for its parent does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def processes_mentioning(text: str) -> list[int]:
    """Running processes with `text` in their command line or environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if text.encode() in told and alive(int(folder.name)) and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


class Terminal:
    """`passage up` as a person starts it: a process of its own, talked to by signals and by stack.json."""

    def __init__(self, state: Path, *arguments: str, command: str = "up") -> None:
        self.state = state
        self.process = subprocess.Popen(
            [sys.executable, "-m", "passage", "--state", str(state), command, "--ports", "any", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def facts(self) -> dict[str, Any] | None:
        """What stack.json says, when the stack is up."""
        assert self.process.poll() is None, self.process.communicate()[0]
        file = self.state / "stack.json"
        return json.loads(file.read_text()) if file.exists() else None

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, timeout: float = 40) -> tuple[int, str]:
        """Wait for its end; exit code and everything it printed."""
        told, _ = self.process.communicate(timeout=timeout)
        return self.process.returncode, told


async def started(state: Path, settings: dict[str, dict[str, Value]] | None = None) -> tuple[Stack, Troubles]:
    """A running stack, whose consumers ask their broker often, and what it told."""
    teller = Troubles()
    stack = Stack(state, ports="any", teller=teller, settings=settings or BRISK)
    await stack.start()
    return stack, teller
