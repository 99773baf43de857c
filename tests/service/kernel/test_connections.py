"""Connections of our own beside the pool: one that nobody ends, and on which nothing comes any more, is given up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.contracts.envelope import Envelope
from shared.db import pool
from shared.db.pool import connect
from shared.service import Service
from tests.support.kernel import create_lead, running
from tests.support.waiting import eventually
from tests.support.world import World

Make = Callable[..., Service]
Read = Callable[[str], Awaitable[list[Envelope]]]


class Wire:
    """A way to the database over TCP. Cut, it takes what is sent and brings nothing back; new connections are well."""

    def __init__(self, dsn: str) -> None:
        parts = urlsplit(dsn)
        self._port = int(parse_qs(parts.query)["port"][0])
        self._who = parts.netloc.rpartition("@")[0]
        self._database = parts.path
        self._cut = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []
        self.connections = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)

    @property
    def dsn(self) -> str:
        return self.past(self._server.sockets[0].getsockname()[1])

    def past(self, port: int | None = None) -> str:
        """The address of the database itself, or of its port elsewhere."""
        return f"postgresql://{self._who}@127.0.0.1:{port or self._port}{self._database}"

    def cut(self) -> None:
        """What is open carries nothing from here on."""
        self._cut.set()
        self._cut = asyncio.Event()

    async def close(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, back]
        ways = ((reader, back), (there, writer))
        self._tasks += [asyncio.create_task(_pump(source, target, self._cut)) for source, target in ways]


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, cut: asyncio.Event) -> None:
    while data := await source.read(65_536):
        if not cut.is_set():
            target.write(data)
    if not cut.is_set():
        target.close()


@pytest.fixture
async def wire(kernel: World) -> AsyncIterator[Wire]:
    """A wire to intake's schema."""
    made = Wire(kernel.dsn("intake"))
    await made.open()
    yield made
    await made.close()


async def test_a_relay_whose_connection_is_silent_begins_again_on_another(
    make: Make, wire: Wire, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that was moved elsewhere, or a firewall that forgot: nothing says that the connection is dead."""
    monkeypatch.setattr(pool, "COMMAND_SECONDS", 1.0)
    service = make("intake")
    assert service.relay is not None
    service.relay._connect = lambda: connect(wire.dsn, name="intake-relay")
    async with running(service):
        relay = service.relay
        await eventually(lambda: relay.leading)
        wire.cut()
        async with service.transaction(actor="test") as uow:  # what the other side notices in its own time
            await uow.conn.execute(END_ELSEWHERE)
        patient = await create_lead(service)
        await eventually(lambda: _arrived(read, patient), equals=True)
        assert wire.connections > 1


async def test_the_server_ends_the_session_of_a_machine_that_is_gone(wire: Wire) -> None:
    """Else the relay's lock would be held by nobody for hours, and nothing would be published."""
    conn = await connect(wire.past(), name="intake-relay")
    told = [
        int(await conn.fetchval("select setting from pg_settings where name = $1", f"tcp_keepalives_{name}"))
        for name in ("idle", "interval", "count")
    ]
    await conn.close()
    assert 0 < told[0] + told[1] * told[2] <= 30


END_ELSEWHERE = """
select pg_terminate_backend(pid) from pg_stat_activity
 where application_name = 'intake-relay' and datname = current_database()
"""


async def _arrived(read: Read, patient: object) -> bool:
    return any(envelope.subject == patient for envelope in await read("passage.intake.v1"))
