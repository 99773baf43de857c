"""Waiting on facts: what one service said takes a moment to reach the others."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from passage.demo.browser import NotSeen

T = TypeVar("T")
PATIENCE_SECONDS = 30.0
EVERY_SECONDS = 0.1


async def seen(look: Callable[[], Awaitable[T]], what: str, *, patience: float = PATIENCE_SECONDS) -> T:
    """The first answer of `look` that is not empty; a `NotSeen` inside counts as "not yet".

    Raises:
        NotSeen: after `patience` seconds; it says `what` did not come.
    """
    deadline = time.monotonic() + patience
    why = ""
    while True:
        try:
            if found := await look():
                return found
        except NotSeen as error:
            why = f": {error}"
        if time.monotonic() > deadline:
            raise NotSeen(f"{what} did not come within {patience:g} s{why}")
        await asyncio.sleep(EVERY_SECONDS)
