"""The board with 2,000 active patients: what a look at it costs, and how soon what happened is on 50 open ones.

From the commit in intake, through its relay, Kafka, the dashboard's consumer and its read model, to the last of the 50
that has the changed card itself: one of them stands in a Chromium, where the card has to be in the page, the others are
streams; 100 events a second, all of them on cards that every board shows. Writer, reader and browser are processes of
their own that use the machine's monotonic clock and share its processors with all the rest.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import uvloop
from playwright.async_api import Browser

from benchmarks.harness import Figure, Stage, plain, quantile
from benchmarks.harness.events import fill, lead, own_box, way
from benchmarks.harness.published import kernel_service, published, writing
from benchmarks.harness.window import Window, painted, watching
from benchmarks.latency import at_rate
from shared.contracts.base import Event, Source
from shared.contracts.intake import Channel, MessageReceived
from shared.http.issuer_client import Tokens
from shared.http.staff_sessions import StaffSessions
from shared.ids import new_id
from shared.security.keyring import Keyring
from tests.support.browser import CHROMIUM, launched
from tests.support.waiting import eventually
from tests.support.world import World

PATIENTS = 2_000
BOARDS = 50
RATE = 100
SHOWN = 40
"""Cards of a column that a board shows; the events are about these."""
PEOPLE = ("dana", "osei", "tran")
LANGUAGES = ("en", "es")
TAKEN = "select coalesce(sum(sequence), 0) from dashboard.inbox"
MARK = re.compile(rb"mark-(\d{6})")
ROUND = re.compile(r'sse-connect="(/live/board\?round=[^"]+)"')
"""What the page itself connects to."""
COOKIE = "passage_staff"
LOOKS = 100
PAINTS = 9
MARKS = 100_000
"""What a round's marks begin at: a multiple of this, so that what an earlier round said is none of its own."""


async def measure(stage: Stage) -> list[Figure]:
    """Milliseconds."""
    patients = stage.size(PATIENTS, PATIENTS)
    seconds = 20.0 if stage.full else 5.0
    async with stage.world() as world:
        cookies = await _signed_in(world)
        total, shown = await _fill(stage, world, patients)
        async with stage.process(world, "dashboard"), world.connection() as owner:
            await eventually(lambda: owner.fetchval(TAKEN), equals=total, timeout=240)
        async with stage.process(world, "dashboard") as dashboard:
            cold, quiet = await _looks(dashboard.url, cookies[0])
            async with _chromium() as browser:
                paints = await painted(browser, dashboard.url, (COOKIE, cookies[0]), PAINTS) if browser else []
                done = [
                    await _round(world, dashboard.url, cookies, shown, seconds, number * MARKS, browser=browser)
                    for number in range(stage.rounds)
                ]
    rounds, windows = [one.spent for one in done], [one.window for one in done if one.window]
    busy = [ms for one in done for ms in one.looks]
    kind = "one of them in Chromium" if windows else "none of them in a browser: there is no Chromium here"
    note = f"{patients:,} active patients, {BOARDS} boards, {kind}, {RATE} events/s"
    return [
        plain("first look after a start", "ms", [cold], at_most=50),
        plain("a look at the board, p50", "ms", [quantile(quiet, 0.5)], at_most=50),
        plain("a look at the board, p99", "ms", [quantile(quiet, 0.99)], at_most=50),
        plain("a look while it changes, p99", "ms", [quantile(busy, 0.99)], note=note),
        plain("event → every open board, p50", "ms", [quantile(one, 0.5) for one in rounds], note=note),
        plain("event → every open board, p99", "ms", [quantile(one, 0.99) for one in rounds], at_most=150, note=note),
        *(
            [plain("event → the page in Chromium, p99", "ms", [quantile(one, 0.99) for one in windows])]
            if windows
            else []
        ),
        *([plain("first paint in Chromium, nothing cached", "ms", paints, at_most=300)] if paints else []),
    ]


@asynccontextmanager
async def _chromium() -> AsyncIterator[Browser | None]:
    """The system's; None where there is none."""
    if CHROMIUM is None:
        yield None
        return
    async with launched() as browser:
        yield browser


async def _signed_in(world: World) -> list[str]:
    """Sessions as the sign-in makes them, one for each of PEOPLE."""
    made = []
    async with kernel_service(world, "dashboard") as service:
        for person in PEOPLE:
            access = world.issuer.token(person, "dashboard")
            told = {"sub": person, "auth_time": int(time.time()), "amr": ["pwd", "otp"], "acr": "mfa"}
            tokens = Tokens(access, None, access, time.time() + 600, told)
            sessions = StaffSessions(timedelta(hours=1), timedelta(hours=1))
            made.append(await sessions.open(service, tokens, person, replacing=None))
    return made


async def _fill(stage: Stage, world: World, patients: int) -> tuple[int, list[UUID]]:
    """People at every stage; how many events, and who stands first among the new ones."""
    keyring = Keyring.load(world.secrets.clinic_keys)
    told: dict[Source, list[Event]] = {}
    first = [new_id() for _ in range(SHOWN)]
    soon = datetime.now(UTC) + timedelta(minutes=10)
    for patient in first:
        told.setdefault("intake", []).append(lead(keyring, patient).model_copy(update={"answer_due": soon}))
    for number in range(patients - SHOWN):
        for source, event in way(keyring, new_id(), number):
            told.setdefault(source, []).append(event)
    total = 0
    for source, events in told.items():
        await fill(world, source, events)
        await published(world, source, len(events))
        total += len(events)
    stage.say(f"{total:,} events of {patients:,} patients")
    return total, first


async def _looks(url: str, cookie: str) -> tuple[float, list[float]]:
    """Milliseconds of the first request, and of those after it."""
    async with httpx.AsyncClient(base_url=url, cookies={COOKIE: cookie}, timeout=30) as http:
        first, *others = [await _look(http) for _ in range(LOOKS + 1)]
    return first, others


async def _look(http: httpx.AsyncClient) -> float:
    began = time.perf_counter()
    answer = await http.get("/", headers={"accept": "text/html"})
    answer.raise_for_status()
    return (time.perf_counter() - began) * 1_000


@dataclass(frozen=True, slots=True)
class Round:
    """Milliseconds: from a commit to the last open board and to the one in Chromium; of looks at it meanwhile."""

    spent: list[float]
    window: list[float]
    looks: list[float]


async def _round(
    world: World,
    url: str,
    cookies: Sequence[str],
    shown: Sequence[UUID],
    seconds: float,
    first: int,
    *,
    browser: Browser | None,
) -> Round:
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        window = None
        if browser is not None:
            window = await stack.enter_async_context(watching(browser, url, (COOKIE, cookies[0])))
        boards = [
            await _open(stack, url, cookies[n % len(cookies)], LANGUAGES[n % 2], first)
            for n in range(BOARDS - bool(window))
        ]
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
            writing = loop.run_in_executor(other, _write, world.wiring.settings("intake"), list(shown), seconds, first)
            looks = []
            async with httpx.AsyncClient(base_url=url, cookies={COOKIE: cookies[0]}, timeout=30) as http:
                while not writing.done():
                    looks.append(await _look(http))
                    await asyncio.sleep(0.2)
            sent: dict[int, float] = await writing
        await eventually(lambda: all(board.latest >= max(sent) for board in boards), timeout=60)
        page = await _stands_in(window, sent, first) if window else None
    everywhere = [*boards, page] if page else boards
    return Round(
        [(max(board.arrived[mark] for board in everywhere) - at) * 1_000 for mark, at in sent.items()],
        [(page.arrived[mark] - at) * 1_000 for mark, at in sent.items()] if page else [],
        looks,
    )


async def _stands_in(window: Window, sent: Collection[int], first: int) -> "_Board":
    """When each mark stood in the page, as soon as all of them do."""
    page = _Board(first)

    async def all_there() -> bool:
        for mark, at in await window.seen():
            page.seen(mark, at)
        return page.arrived.keys() >= set(sent)

    await eventually(all_there, timeout=60)
    return page


async def _open(stack: AsyncExitStack, url: str, cookie: str, language: str, first: int) -> "_Board":
    """Look at the board, then listen as the page does."""
    async with httpx.AsyncClient(base_url=url, cookies={COOKIE: cookie, "lang": language}, timeout=30) as http:
        page = await http.get("/", headers={"accept": "text/html"})
    [path] = ROUND.findall(page.text)
    place = urlsplit(url)
    loop = asyncio.get_running_loop()
    transport, board = await loop.create_connection(lambda: _Board(first), place.hostname or "", place.port or 0)
    stack.callback(transport.close)
    head = f"GET {path} HTTP/1.1\r\nhost: {place.netloc}\r\ncookie: {COOKIE}={cookie}; lang={language}\r\n\r\n"
    transport.write(head.encode())
    await eventually(lambda: b" 200 " in board.head, timeout=10)
    return board


class _Board(asyncio.Protocol):
    """An open board's stream: when each mark was there. A mark on the same card stands for those before it."""

    def __init__(self, first: int) -> None:
        self.head = b""
        self.arrived: dict[int, float] = {}
        self.latest = -1
        self._rest = b""
        self._next = list(range(first, first + SHOWN))

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self.head = self.head or data
        text = self._rest + data
        for found in MARK.findall(text):
            self.seen(int(found), now)
        self._rest = text[-16:]

    def seen(self, mark: int, now: float) -> None:
        """The first time counts."""
        slot = mark % SHOWN
        for earlier in range(self._next[slot], mark + 1, SHOWN):
            self.arrived[earlier] = now
        self._next[slot] = max(self._next[slot], mark + SHOWN)
        self.latest = max(self.latest, mark)


def _write(settings: dict[str, Any], shown: Sequence[UUID], seconds: float, first: int) -> dict[int, float]:
    return uvloop.run(_writing(settings, shown, seconds, first))


async def _writing(settings: dict[str, Any], shown: Sequence[UUID], seconds: float, first: int) -> dict[int, float]:
    """Words of the people shown, in turn; when each was committed."""
    committed: dict[int, float] = {}

    async with writing(settings) as service:

        async def one(number: int, kept: bool) -> None:
            patient = shown[number % SHOWN]
            said = MessageReceived(
                patient_id=patient, message_id=new_id(), channel=Channel.TEXT,
                body=own_box(patient).seal(f"mark-{first + number:06d}"), received_at=datetime.now(UTC),
            )  # fmt: skip
            async with service.transaction(actor="patient") as uow:
                uow.publish(said)
            if kept:
                committed[first + number] = time.perf_counter()

        await at_rate(one, RATE, seconds)
    return committed
