"""A member of staff's open page: it looks again only when the stream says that something changed, and after a lost
connection goes on from the last cursor.
"""

import asyncio
import contextlib

import asyncpg
import httpx

from tests.chaos.arena import AWAY, Arena
from tests.support.person import Person

PROJECTION = """
select source || '/' || subject as place, max(sequence) as sequence from dashboard.story group by 1
"""


async def projection(conn: asyncpg.Connection) -> dict[str, int]:
    """What the projection knows: source/subject → last sequence."""
    return {row["place"]: row["sequence"] for row in await conn.fetch(PROJECTION)}


class OpenPage:
    """Follows `/live/changes` of the dashboard."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._person = Person()
        self._cursor: str | None = None
        self.shows: dict[str, int] = {}
        self.connections = 0

    async def sign_in(self) -> None:
        """By the real pages."""
        login = next(one for one in self._arena.facts["logins"] if one["id"] == "dana")
        await self._person.sign_in(self._arena.url("dashboard"), login)

    async def follow(self) -> None:
        """Until cancelled."""
        while True:
            with contextlib.suppress(httpx.HTTPError, *AWAY, AssertionError):
                await self._connection()
            await asyncio.sleep(0.3)

    async def _connection(self) -> None:
        headers = {"last-event-id": self._cursor} if self._cursor else {}
        address = self._arena.url("dashboard") + "/live/changes" + ("" if self._cursor else "?after=0")
        async with self._person.http.stream("GET", address, headers=headers, timeout=20) as stream:
            if stream.status_code != 200:
                return
            self.connections += 1
            async for line in stream.aiter_lines():
                if line.startswith("id: "):
                    told = line.removeprefix("id: ")
                    await self._look()
                    # Only what was looked at counts as seen.
                    self._cursor = told

    async def _look(self) -> None:
        conn = await self._arena.connect()
        try:
            self.shows = await projection(conn)
        finally:
            await conn.close()

    async def close(self) -> None:
        """Close the browser."""
        await self._person.close()
