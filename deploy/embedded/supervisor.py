"""Keeping processes running: a crash is told with its last log lines and answered by a new start, later each time."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from deploy.embedded.processes import Program, StartFailed

LOOK_EVERY_SECONDS = 0.2
CALM_SECONDS = 30.0
"""A process that ran this long starts with a clean record."""

BACK_OFF_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Teller(Protocol):
    """Where progress and trouble are told."""

    def step(self, text: str) -> None: ...
    def trouble(self, text: str) -> None: ...


class Silent:
    """Tells nobody."""

    def step(self, text: str) -> None: ...
    def trouble(self, text: str) -> None: ...


@dataclass(slots=True)
class Member:
    """One supervised process and its record. `recover` is run after each new start, until it succeeds."""

    name: str
    launch: Callable[[], Program]
    program: Program
    recover: Callable[[], Awaitable[None]] | None = None
    started: float = field(default_factory=time.monotonic)
    failures: int = 0
    again_at: float | None = None
    recovering: asyncio.Task[None] | None = None


class Supervisor:
    """Looks after its members from `begin` to `end`. `changed` is called when a process was started again."""

    def __init__(self, teller: Callable[[], Teller], changed: Callable[[], None]) -> None:
        self.members: dict[str, Member] = {}
        self._teller = teller
        self._changed = changed
        self._watching: asyncio.Task[None] | None = None

    def add(
        self,
        name: str,
        launch: Callable[[], Program],
        program: Program,
        recover: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Look after a program that runs already."""
        self.members[name] = Member(name, launch, program, recover)

    def begin(self) -> None:
        self._watching = asyncio.create_task(self._watch(), name="supervisor")

    async def end(self) -> None:
        """Start nothing again from now on; the programs go on."""
        await _cancelled([self._watching, *(member.recovering for member in self.members.values())])
        self._watching = None

    async def restart(self, names: Iterable[str]) -> None:
        """End these and start them again, as planned: no crash, no pause."""
        members = [self.members[name] for name in names]
        for member in members:
            member.again_at = math.inf
        await asyncio.gather(*(asyncio.to_thread(member.program.stop) for member in members))
        for member in members:
            member.again_at = time.monotonic()

    async def _watch(self) -> None:
        while True:
            for member in list(self.members.values()):
                if member.again_at is not None:
                    if time.monotonic() >= member.again_at:
                        await self._again(member)
                elif not member.program.running:
                    self._note_crash(member)
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    def _note_crash(self, member: Member) -> None:
        if time.monotonic() - member.started > CALM_SECONDS:
            member.failures = 0
        pause = BACK_OFF_SECONDS[min(member.failures, len(BACK_OFF_SECONDS) - 1)]
        member.failures += 1
        member.again_at = time.monotonic() + pause
        self._teller().trouble(
            f"{member.name} ended with {member.program.process.returncode}; it starts again in {pause:g} s. "
            f"The end of its log:\n{member.program.last_lines()}"
        )

    async def _again(self, member: Member) -> None:
        member.again_at = None
        member.started = time.monotonic()
        try:
            member.program = member.launch()
        except (OSError, StartFailed) as error:
            self._teller().trouble(f"{member.name} could not be started again: {error}")
        if member.recover is not None:
            await _cancelled([member.recovering])
            member.recovering = asyncio.create_task(self._recover(member))
        self._changed()

    async def _recover(self, member: Member) -> None:
        """Until it succeeds, or its member has ended again: then the next start recovers."""
        assert member.recover is not None
        program = member.program
        while program.running and member.program is program:
            try:
                await member.recover()
            except StartFailed as error:
                self._teller().trouble(f"{member.name}: {error}")
                await asyncio.sleep(BACK_OFF_SECONDS[1])
            else:
                return


async def _cancelled(tasks: Iterable[asyncio.Task[None] | None]) -> None:
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
