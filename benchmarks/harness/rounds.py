"""A B A B …, so that whatever else the machine does hits all ways alike."""

import gc
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def in_turn(rounds: int, ways: dict[str, Callable[[], Awaitable[T]]], *, warm: bool = True) -> dict[str, list[T]]:
    """Run each way `rounds` times, in turn; every second round backwards, so that none is always the one after another.

    With `warm` each is run once before, unmeasured. Gives the results by the ways' names.
    """
    if warm:
        for way in ways.values():
            await way()
    found: dict[str, list[T]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in list(ways) if number % 2 == 0 else list(reversed(ways)):
            gc.collect()
            gc.freeze()  # as services do: what the benchmark itself keeps is not walked through again
            found[name].append(await ways[name]())
    return found
