"""Closed-loop load: each client sends, waits for the answer, and sends again. Nothing here costs more than it must."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import cast
from urllib.parse import urlsplit

from benchmarks.harness.figures import quantile

AREAS = ("801", "303", "385", "720")
DOMAINS = tuple(f"{stem}{number}.example" for stem in ("mail", "post", "home", "work") for number in range(50))
EXCHANGES = [exchange for exchange in range(200, 1000) if exchange % 100 != 11 and exchange != 555]
WORDS = "I have tried two medications and would like to know whether this treatment is something for me. Evenings suit."


@dataclass(slots=True)
class Measured:
    """One stretch of load: how much was done in how long, each caller's wait, and the processor time that it cost the
    service. Seconds.
    """

    done: int = 0
    seconds: float = 0.0
    waits: list[float] = field(default_factory=list)
    processor: float = 0.0

    @property
    def rate(self) -> float:
        return self.done / self.seconds

    def quantile(self, share: float) -> float:
        """The wait that `share` of the callers stayed under."""
        return quantile(self.waits, share)


class People:
    """Strangers without end, each with a phone number that exists and an address that nobody had."""

    def __init__(self) -> None:
        self._number = count()

    def lead(self) -> tuple[str, dict[str, object]]:
        """An idempotency key and what the person said."""
        number = next(self._number)
        line, rest = number % 10_000, number // 10_000
        exchange, area = EXCHANGES[(rest + number) % len(EXCHANGES)], AREAS[(rest // len(EXCHANGES) + number) % 4]
        # line and exchange walk together, so that a short run already meets many exchanges, as real callers do
        said: dict[str, object] = {
            "name": f"Maya Ortiz-Lindgren {number}",
            "phone": f"+1 {area} {exchange} {line:04d}",
            "email": f"maya.ortiz.{number}@{DOMAINS[number % len(DOMAINS)]}",
            "message": WORDS,
            "language": "en",
        }
        return f"lead-{number}", said


async def loop_for(seconds: float, clients: int, once: Callable[[int], Awaitable[int]]) -> Measured:
    """Have `clients` call `once(client)` again and again; it returns how much it did."""
    measured = Measured()
    began = time.perf_counter()
    until = began + seconds

    async def client(number: int) -> None:
        while (at := time.perf_counter()) < until:
            done = await once(number)
            measured.done += done  # not in one line: others add to it during the wait
            measured.waits.append(time.perf_counter() - at)

    await asyncio.gather(*(client(number) for number in range(clients)))
    measured.seconds = time.perf_counter() - began
    return measured


class Caller(asyncio.Protocol):
    """One kept-alive HTTP/1.1 connection; answers must carry a Content-Length."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._buffer = b""

    @classmethod
    async def connect(cls, url: str) -> "Caller":
        parts = urlsplit(url)
        _, made = await asyncio.get_running_loop().create_connection(
            lambda: cls(parts.netloc), parts.hostname or "", parts.port or 80
        )
        return made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError())

    async def post(self, path: str, headers: dict[str, str], content: object) -> tuple[int, bytes]:
        """Status and body of the answer."""
        return await self._send("POST", path, headers, json.dumps(content).encode())

    async def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of the answer."""
        return await self._send("GET", path, {}, b"")

    async def _send(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        named = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: {self._host}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n{named}\r\n"
        )
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(head.encode() + body)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.find(b"content-length:")
        size = int(head[at + 15 :].split(b"\r\n", 1)[0])
        if len(self._buffer) < end + 4 + size:
            return
        body, self._buffer = self._buffer[end + 4 : end + 4 + size], self._buffer[end + 4 + size :]
        if self._answer is not None and not self._answer.done():  # its caller may have been cancelled
            self._answer.set_result((int(head[9:12]), body))
