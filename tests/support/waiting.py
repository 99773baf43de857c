"""Waiting on facts, never on sleep."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

TRUTHY: Any = object()


async def eventually(
    look: Callable[[], Any],
    *,
    equals: Any = TRUTHY,
    timeout: float = 15.0,
    every: float = 0.02,
    tolerate: tuple[type[Exception], ...] = (),
) -> Any:
    """Call `look`, a function or a coroutine function, until its answer is truthy, or equals `equals`; gives it.

    An assertion that fails inside `look` counts as "not yet"; so do the errors in `tolerate`.

    Raises:
        AssertionError: with the last answer, after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    last: Any = None
    while True:
        try:
            found = look()
            answer = await found if inspect.isawaitable(found) else found
        except Exception as error:
            if not isinstance(error, (AssertionError, *tolerate)):
                raise
            last = error
        else:
            last = answer
            if answer == equals if equals is not TRUTHY else answer:
                return answer
        if time.monotonic() > deadline:
            wanted = "" if equals is TRUTHY else f" instead of {equals!r}"
            raise AssertionError(f"after {timeout:g} s still {last!r}{wanted}")
        await asyncio.sleep(every)
