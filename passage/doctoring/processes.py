"""The running processes, asked by HTTP, and the broker: are they ready, and do all their clocks say the same."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from passage.context import settings_of
from passage.doctoring import limits
from passage.telling import Finding, Level
from shared.contracts.topics import GROUPS, TOPICS
from shared.db.migrate import SERVICES
from shared.http.app import CLOCK_HEADER

TIMEOUT_SECONDS = 5.0
_NOW = "select extract(epoch from clock_timestamp())::float8"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a process said. `ahead` is its clock minus this machine's in seconds, None where it told none."""

    finding: Finding
    ahead: float | None


async def services() -> list[Answer]:
    """Every service's `/ready`, all at once."""
    urls = settings_of("dashboard").urls
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as http:
        return await asyncio.gather(*(_ready(http, name, urls.get(name, "")) for name in SERVICES))


async def _ready(http: httpx.AsyncClient, name: str, url: str) -> Answer:
    what = f"{name}: process"
    if not url:
        return Answer(
            Finding(Level.LOOK, what, "its address is not known here", "name it in PASSAGE_DASHBOARD_URLS"), None
        )
    try:
        answer = await http.get(f"{url}/ready")
    except httpx.HTTPError as error:
        told = f"does not answer at {url} ({type(error).__name__})"
        return Answer(Finding(Level.ACT, what, told, f"start {name}; its log says why it ended"), None)
    # It looks at its clock when it has looked at everything else: all that lies between is the way back.
    now, told = time.time(), answer.headers.get(CLOCK_HEADER)
    ahead = None if told is None else datetime.fromisoformat(told).timestamp() - now
    if answer.status_code == httpx.codes.OK:
        return Answer(Finding(Level.FINE, what, "ready"), ahead)
    try:
        reasons = answer.json()["reasons"]
    except (ValueError, KeyError, TypeError):
        reasons = {"answer": f"HTTP {answer.status_code}"}
    named = "; ".join(f"{part}: {reason}" for part, reason in reasons.items())
    return Answer(
        Finding(Level.ACT, what, f"not ready: {named}", f"mend that part; the log of {name} says more"), ahead
    )


async def clocks(owner: asyncpg.Connection, answers: list[Answer]) -> Finding:
    """The largest difference between the clocks of the database, the services and this machine."""
    asked = time.time()
    told = await owner.fetchval(_NOW)
    known = {"this machine": 0.0, "the database": told - (asked + time.time()) / 2}
    known |= {one.finding.what.partition(":")[0]: one.ahead for one in answers if one.ahead is not None}
    first, last = min(known, key=lambda name: known[name]), max(known, key=lambda name: known[name])
    apart = known[last] - known[first]
    level = limits.SKEW_SECONDS.level(apart)
    figure = f"{apart * 1000:.0f} ms apart at most" + (f": {last} is ahead of {first}" if level else "")
    do = "let chrony or systemd-timesyncd set the clocks of these machines" if level else ""
    return Finding(level, "clocks", f"{figure} ({len(known)} looked at)", do)


async def broker() -> tuple[Finding, dict[str, int | None]]:
    """Whether the broker answers, and how many records each group has not read; None for a group that never read."""
    settings = settings_of("dashboard")
    unread: dict[str, int | None] = {}
    places = [
        TopicPartition(settings.topic(topic.name), number) for topic in TOPICS for number in range(topic.partitions)
    ]
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS * 2):
            async with _admin(settings.kafka) as admin, AIOKafkaConsumer(bootstrap_servers=settings.kafka) as reader:
                for group in GROUPS:
                    name = settings.topic(f"passage.{group}")
                    unread[group] = await _unread(admin, reader, name, places)
    except (KafkaError, OSError, TimeoutError) as error:
        told = f"does not answer at {settings.kafka} ({type(error).__name__})"
        do = "start it; nothing is lost meanwhile: events wait in their services' logs"
        return Finding(Level.ACT, "broker", told, do), {}
    return Finding(Level.FINE, "broker", f"answers at {settings.kafka}"), unread


@asynccontextmanager
async def _admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5_000)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def _unread(
    admin: AIOKafkaAdminClient, reader: AIOKafkaConsumer, group: str, places: list[TopicPartition]
) -> int | None:
    # All partitions by name: the embedded broker does not know the question without them.
    committed: dict[Any, Any] = await admin.list_consumer_group_offsets(group, partitions=places)
    known = {at: int(told.offset) for at, told in committed.items() if told.offset >= 0}
    if not known:
        return None
    ends = await reader.end_offsets(list(known))
    return sum(max(0, int(ends[at]) - offset) for at, offset in known.items())
