"""Starting and stopping programs so that none is ever left behind, and finding ports that are free.

The promise: a program started here gets its own process group, writes to its log file, and dies with whoever started
it, even when that one is killed with -9. Start programs from a thread that lives as long as they shall: the kernel's
tie is to the thread.
"""

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

TETHER = Path(__file__).with_name("tether.py")
QUIET_PORTS = range(10_000, 32_000)
APART = 101  # who finds one taken looks above it
_turns = itertools.count(os.getpid() * 997)


class StartFailed(RuntimeError):
    """A program did not come up; the message carries its last log lines."""


class Program:
    """A child process with a log file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        before: Sequence[str] = (),
        tether: bool = True,
        on_orphaned: signal.Signals = signal.SIGKILL,
    ) -> None:
        """`before` wraps the tether, such as `unshare …`; `on_orphaned` is sent when the parent has died.

        `tether=False` is for a command whose `before` already ties it to its parent.
        """
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        rope = [sys.executable, "-I", "-S", str(TETHER), str(int(on_orphaned)), str(os.getpid())] if tether else []
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [*before, *rope, *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=None if environment is None else dict(environment),
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Signal the whole process group; nothing happens when it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def stop(self, *, ask: signal.Signals = signal.SIGTERM, patience: float = 10.0) -> None:
        """Ask it to end, and after `patience` seconds end it; afterwards nothing of its group is left."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(ask)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
        self.kill()

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self.send(signal.SIGKILL)
        self.process.wait()

    def last_lines(self, count: int = 12) -> str:
        return last_lines(self.log, count)


def last_lines(log: Path, count: int = 12) -> str:
    """The end of a log file, for a message to a person."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16_384))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return "(no log)"
    return "\n".join(text.splitlines()[-count:])


def wait_until(answer: Callable[[], bool], program: Program, *, seconds: float, every: float = 0.05) -> None:
    """Wait until `answer` holds.

    Raises:
        StartFailed: the program ended, or `seconds` went by.
    """
    deadline = time.monotonic() + seconds
    while not answer():
        if not program.running:
            raise StartFailed(f"{program.name} ended with {program.process.returncode}:\n{program.last_lines()}")
        if time.monotonic() > deadline:
            raise StartFailed(f"{program.name} does not answer after {seconds:.0f} s:\n{program.last_lines()}")
        time.sleep(every)


def answers(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=0.5):
            return True
    except OSError:
        return False


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def any_free_port() -> int:
    """A port that nothing uses right now, and that stays free until its server is up.

    Each process has a series of its own, below the ports from which systems take those of outgoing connections.
    """
    while not is_free(port := QUIET_PORTS[next(_turns) * APART % len(QUIET_PORTS)]):
        pass
    return port


def port_near(wanted: int, taken: frozenset[int] | set[int] = frozenset()) -> int:
    """The wanted port, or the next free one above it, or any where a hundred above it are taken."""
    for port in range(wanted, wanted + 100):
        if port not in taken and is_free(port):
            return port
    return any_free_port()
