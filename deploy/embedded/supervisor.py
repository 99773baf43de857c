"""Keeping processes running: a crash is told with its last log lines and answered by a new start, later each time."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from deploy.embedded.processes import Program, StartFailed

LOOK_EVERY_SECONDS = 0.2
CALM_SECONDS = 30.0
"""A process that ran this long starts with a clean record."""

PLANNED_SECONDS, HOLD_SECONDS = 10.0, 5.0
"""How long a process has to end by itself: when that was planned, and when what it leans on is gone."""

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
    """One supervised process and its record. `recover` is run after each new start, until it succeeds.

    What `leans` on it is ended before it starts again, and started once it has recovered.
    """

    name: str
    launch: Callable[[], Program]
    program: Program
    recover: Callable[[], Awaitable[None]] | None = None
    leans: tuple[str, ...] = ()
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
        leans: tuple[str, ...] = (),
    ) -> None:
        """Look after a program that runs already."""
        self.members[name] = Member(name, launch, program, recover, leans)

    def begin(self) -> None:
        self._watching = asyncio.create_task(self._watch(), name="supervisor")

    async def end(self) -> None:
        """Start nothing again from now on; the programs go on."""
        await _cancelled([self._watching, *(member.recovering for member in self.members.values())])
        self._watching = None

    async def restart(self, names: Iterable[str]) -> None:
        """End these and start them again, as planned: no crash, no pause."""
        members = [self.members[name] for name in names]
        await self._hold(members, patience=PLANNED_SECONDS)
        _let_go(members)

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
        await self._hold(self._leaning_on(member), patience=HOLD_SECONDS)
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

    def _leaning_on(self, member: Member) -> list[Member]:
        return [self.members[name] for name in member.leans]

    async def _hold(self, members: Sequence[Member], *, patience: float) -> None:
        """End these until they are let go: no crash, and no start however long it takes."""
        for member in members:
            member.again_at = math.inf
        await asyncio.gather(*(asyncio.to_thread(member.program.stop, patience=patience) for member in members))

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
                _let_go(self._leaning_on(member))
                return


def _let_go(members: Iterable[Member]) -> None:
    for member in members:
        member.again_at = time.monotonic()


async def _cancelled(tasks: Iterable[asyncio.Task[None] | None]) -> None:
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
