"""The world outside, as the sandbox plays it: phones, mailboxes, Vagaro, and the clock."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx


class ClockStuck(RuntimeError):
    """Something that was due did not happen; the message names it."""


@dataclass(slots=True)
class Outside:
    """What patients hold in their hands. Phone numbers are E.164."""

    http: httpx.AsyncClient

    @classmethod
    def at(cls, url: str) -> "Outside":
        """`url` is the sandbox's address. Moving the clock waits for all that happens on the way."""
        return cls(httpx.AsyncClient(base_url=url, timeout=600))

    async def close(self) -> None:
        await self.http.aclose()

    async def texts(self, phone: str) -> list[str]:
        """What the clinic texted there, oldest first."""
        found = await self._get("/api/messages", to=phone)
        return [text["body"] for text in found if text["direction"] != "inbound"]

    async def mails(self, mailbox: str) -> list[dict[str, Any]]:
        """What arrived there, oldest first, with `subject` and `text`."""
        found: list[dict[str, Any]] = await self._get("/api/mails", to=mailbox)
        return found

    async def say(self, phone: str, words: str) -> None:
        """The patient texts the clinic."""
        await self._post("/api/texts", {"from": phone, "body": words})

    async def vagaro(self, **said: Any) -> list[int]:
        """Something happens in Vagaro; how the clinic answered each of its webhooks."""
        answers: list[int] = (await self._post("/api/vagaro", said))["answers"]
        return answers

    async def now(self) -> datetime:
        """Business time."""
        return datetime.fromisoformat((await self._get("/api/clock"))["now"])

    async def until(self, moment: datetime) -> int:
        """Let business time pass, from due time to due time; how many of them there were.

        Raises:
            ClockStuck: what was due did not happen.
        """
        moved = await self._post("/api/clock", {"to": moment.isoformat()})
        if moved["stuck"]:
            raise ClockStuck(f"these timers did not fire: {', '.join(moved['stuck'])}")
        steps: int = moved["steps"]
        return steps

    async def _get(self, path: str, **query: str) -> Any:
        return (await self.http.get(path, params=query)).raise_for_status().json()

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        return (await self.http.post(path, json=body)).raise_for_status().json()
