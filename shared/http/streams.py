"""For answers that stay open: waiting for news, and for the end of the process."""

import asyncio


async def until_any(*events: asyncio.Event, seconds: float) -> None:
    """Until one of the events is set, for `seconds` at most."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()
