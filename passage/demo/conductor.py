"""The play's time: everybody plays at once; when all of them wait for a moment, the clock goes on to the earliest."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import Any


class Conductor:
    """Runs several parts against one clock. A part that fails ends alone; the others go on."""

    def __init__(self, now: Callable[[], Awaitable[datetime]], move: Callable[[datetime], Awaitable[object]]) -> None:
        """`move` lets time pass until a moment, and returns when all that was due on the way has happened."""
        self._now, self._move = now, move
        self._waiting: list[tuple[datetime, asyncio.Future[None]]] = []
        self._playing = 0
        self._still = asyncio.Event()

    async def until(self, moment: datetime) -> None:
        """Wait for a moment of business time; one that has passed is no wait."""
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((moment, mine))
        self._rests()
        await mine

    async def play(self, parts: list[Coroutine[Any, Any, None]]) -> None:
        """Until the last part has ended.

        Raises:
            Whatever `move` raises; the parts are cancelled.
        """
        self._playing = len(parts)
        tasks = [asyncio.create_task(self._one(part)) for part in parts]
        try:
            while True:
                await self._still.wait()
                self._still.clear()
                if not self._waiting:
                    break
                await self._on()
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, part: Coroutine[Any, Any, None]) -> None:
        try:
            await part
        finally:
            self._rests()

    async def _on(self) -> None:
        moment = min(moment for moment, _ in self._waiting)
        if moment > await self._now():
            await self._move(moment)
        now = max(moment, await self._now())
        due = [mine for at, mine in self._waiting if at <= now]
        self._waiting = [(at, mine) for at, mine in self._waiting if at > now]
        self._playing += len(due)
        for mine in due:
            mine.set_result(None)

    def _rests(self) -> None:
        self._playing -= 1
        if self._playing == 0:
            self._still.set()
