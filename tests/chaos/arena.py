"""The system under fire: all processes of a stack, a second process of intake, and hands to break them with."""

import asyncio
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from deploy.embedded.broker import JvmBroker
from deploy.embedded.plan import Kind
from deploy.embedded.processes import Program, any_free_port
from deploy.embedded.stack import Stack
from deploy.embedded.supervisor import Member
from passage.moving import move
from shared.db.migrate import SERVICES, fill
from shared.security.keyring import Keyring
from tests.chaos.facts import Move, Poison, Sample
from tests.chaos.history import History
from tests.chaos.newer import TABLES, Version, next_after
from tests.chaos.tap import Tap
from tests.support.issuer import Issuer
from tests.support.serving import serving
from tests.support.stack import ROOT, Troubles
from tests.support.waiting import eventually

CONSUMERS = ("intake", "assessment", "scheduling", "notifications", "dashboard")
REPLICA = "intake-2"
RSS_LIMIT_MB, CONNECTIONS_LIMIT, DEAD_LIMIT = 400.0, 150.0, 200_000.0
WAL_LIMIT_MB = 4_000.0
AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What a database that is just being killed answers."""

# What a consumer's transactions did, written by themselves: which run of events moved which position, in which order,
# and which version's connection it was.
JOURNAL = """
create schema chaos;
create table chaos.moves (
    n bigint generated always as identity, consumer text, source smallint, subject uuid, prior bigint, sequence bigint,
    version int not null default coalesce(current_setting('chaos.version', true), '0')::int,
    at timestamptz not null default clock_timestamp());
create function chaos.note() returns trigger language plpgsql security definer as $$
begin
    insert into chaos.moves (consumer, source, subject, prior, sequence)
    values (tg_table_schema, new.source, new.subject, new.prior, new.sequence);
    return null;
end $$;
"""
WATCH = """
create trigger chaos_moves after insert or update on {service}.inbox for each row execute function chaos.note()
"""
BUSINESS_NOW = "select clock_timestamp() + make_interval(secs => offset_seconds) from clock.state"
CONNECTIONS = "select count(*) from pg_stat_activity where datname = current_database()"
DEAD = "select coalesce(sum(n_dead_tup), 0) from pg_stat_user_tables"
WAL = "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') / 1048576"


class Arena(Stack):
    """A stack whose staff tokens come from an issuer of the run's own, with a journal in every inbox."""

    def __init__(self, state: Path, *, kafka: Kind, history: History, seed: int) -> None:
        self.issuer = Issuer(f"http://127.0.0.1:{any_free_port()}")
        settings: dict[str, dict[str, Any]] = {
            name: {"oidc_issuer": self.issuer.url} for name in CONSUMERS if name != "dashboard"
        }
        settings["notifications"] |= {"delivery_lease_seconds": 6, "vendor_timeout_seconds": 3}
        self.troubles = Troubles()
        super().__init__(state, ports="any", settings=settings, teller=self.troubles, kafka=kafka)
        self.history = history
        self.random = random.Random(seed)
        self.replica_port = any_free_port()
        self.newest = Version(1, ROOT)
        self.versions = dict.fromkeys((*CONSUMERS, REPLICA, "identity", "sandbox"), self.newest)
        self.moves: list[Move] = []
        self.unsure: list[tuple[datetime, datetime]] = []
        self.poison: list[Poison] = []
        self.tampered: set[str] = set()
        self.delayed: list[str] = []
        self.wiped_at: datetime | None = None
        self.samples: list[Sample] = []
        self.said_again: Callable[[str], bool] = lambda _patient: False
        self._around = AsyncExitStack()
        self._wal_began: float | None = None

    async def start(self) -> None:
        """Everything, the second intake, the journal, and a reader of all topics."""
        await self._around.enter_async_context(serving(self.issuer.app, int(self.issuer.url.rpartition(":")[2])))
        await super().start()
        assert self.plan is not None
        conn = await self.connect()
        try:
            await conn.execute(JOURNAL)
            for name in CONSUMERS:
                await conn.execute(fill(WATCH, service=name))
        finally:
            await conn.close()
        self._supervisor.add(REPLICA, self._launch_replica, self._launch_replica())
        self.tap = Tap(self.plan.wiring.kafka)
        await self.tap.start()
        self._around.push_async_callback(self.tap_stop)
        await self.ready(REPLICA)

    async def tap_stop(self) -> None:
        await self.tap.stop()

    async def stop(self) -> None:
        """End everything, also what a fault left stopped."""
        for name, member in self.members.items():
            member.program.send(signal.SIGCONT)
            if name == REPLICA:
                await asyncio.to_thread(member.program.kill)
        await self._around.aclose()
        await super().stop()

    def _launch(self, name: str) -> Program:
        return self._launch_version(name, name)

    def _launch_replica(self) -> Program:
        return self._launch_version(REPLICA, "intake", port=self.replica_port)

    def _launch_version(self, name: str, service: str, **changes: Any) -> Program:
        """The version that a process is to be of; its connections to the database say which."""
        assert self.plan is not None
        version = self.versions[name]
        address = f"{self.plan.wiring.settings(service)['database_url']}&chaos.version={version.number}"
        variables = self.plan.wiring.variables(service, database_url=address, **changes)
        module = f"deploy.{service}" if service == "sandbox" else f"services.{service}"
        return self._python(name, "-m", module, variables=variables, home=version.home)

    @property
    def kafka_address(self) -> str:
        assert self.plan is not None
        return self.plan.wiring.kafka

    @property
    def keyring(self) -> Keyring:
        """The clinic's keys."""
        assert self.plan is not None
        return Keyring.load(self.plan.wiring.secrets.clinic_keys)

    def as_staff(self, person: str, service: str, *, step_up: bool = False) -> dict[str, str]:
        """Request headers of a member of staff."""
        return {"authorization": f"Bearer {self.issuer.token(person, service, step_up=step_up)}"}

    def address(self, name: str) -> str:
        """The base address of a service, or of the second intake."""
        return f"http://127.0.0.1:{self.replica_port}" if name == REPLICA else self.url(name)

    async def connect(self) -> asyncpg.Connection:
        """A connection as the owner of everything, as soon as the database answers."""
        assert self.plan is not None

        async def once() -> asyncpg.Connection:
            return await asyncpg.connect(self.plan.owner_url, timeout=5)

        return await eventually(once, timeout=60, every=0.1, tolerate=AWAY)

    async def fetch(self, sql: str, *arguments: Any) -> list[Any]:
        """Rows, read by the owner; again where the database went away meanwhile."""

        async def once() -> tuple[list[Any]]:
            conn = await self.connect()
            try:
                return (list(await conn.fetch(sql, *arguments)),)
            finally:
                conn.terminate()

        return (await eventually(once, timeout=60, every=0.1, tolerate=AWAY))[0]

    async def business_now(self) -> datetime:
        """What time the stack thinks it is."""
        now: datetime = (await self.fetch(BUSINESS_NOW))[0][0]
        return now

    async def ready(self, *names: str, timeout: float = 90) -> None:
        """Until these answer that they can work."""
        async with httpx.AsyncClient(timeout=5) as http:

            async def look(name: str) -> bool:
                return (await http.get(f"{self.address(name)}/ready")).status_code == 200

            for name in names:
                await eventually(partial(look, name), timeout=timeout, every=0.1, tolerate=(httpx.TransportError,))

    def kill_now(self, name: str) -> None:
        """Kill -9, to be started again at once: a run has no time for the supervisor's pauses."""
        self.members[name].failures = 0
        self.members[name].program.kill()

    async def next_version(self) -> Version:
        """Have the version after the newest, and run its migrations beside the running services."""
        tables: dict[str, list[str]] = {}
        for row in await self.fetch(TABLES, list(SERVICES)):
            tables.setdefault(row["service"], []).append(row["name"])
        folder = self.state / f"version-{self.newest.number + 1}"
        following = await asyncio.to_thread(next_after, self.newest, folder, tables)
        self.newest = following
        # A statement that would wait for a lock for long gives up: then an operator says it again.
        await eventually(lambda: self.command("migrate"), timeout=60)
        return following

    async def replace(self, name: str, version: Version) -> None:
        """End a process as an operator does, in its own time, and start a version in its place."""
        asked = self.members[name].program.process
        self.versions[name] = version
        await self._supervisor.restart([name])
        assert asked.returncode != -signal.SIGKILL, f"{name} did not end when it was asked to"
        await eventually(lambda: self.members[name].again_at is None, timeout=30)

    def signal(self, name: str, number: signal.Signals) -> None:
        """To the process itself."""
        os.kill(self.members[name].program.pid, number)

    async def command(self, *words: str) -> str:
        """The product's own command line on this stack; what it printed."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("PASSAGE_")}
        done = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-m", "passage", "--state", str(self.state), *words],
            capture_output=True, text=True, cwd=self.newest.home, env=inherited, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"passage {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    async def forget_topics(self) -> None:
        """Kill the broker and all that it kept; it comes back empty."""
        assert isinstance(self.broker, JvmBroker)
        member: Member = self.members["broker"]
        member.again_at = math.inf
        member.program.kill()
        await self.tap.begin_epoch()
        shutil.rmtree(self.broker.state)
        self.wiped_at = datetime.now(UTC)
        member.failures = 0
        member.again_at = time.monotonic()

    async def move_clock(self, by: timedelta) -> None:
        """Business time jumps, as `passage clock advance` makes it."""
        before = await self.business_now()
        conn = await self.connect()
        try:
            await move(conn, by, reset=False)
        finally:
            await conn.close()
        self.moves.append(Move(before, await self.business_now()))

    async def sandbox(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Ask the outside world for something."""
        async with httpx.AsyncClient(base_url=self.url("sandbox"), timeout=30) as http:
            answer = await http.post(path, json=body)
            assert answer.is_success, answer.text
            found: dict[str, Any] = answer.json()
            return found

    async def sample(self) -> None:
        """Look at what must stay bounded."""
        for name, member in self.members.items():
            if name not in ("postgres", "broker"):
                self.samples.append(Sample(f"MB of {name}", _resident_mb(member.program.pid), RSS_LIMIT_MB))
        try:
            conn = await asyncpg.connect(self.plan.owner_url, timeout=2)
        except AWAY:
            return
        try:
            wal = float(await conn.fetchval(WAL))
            self._wal_began = wal if self._wal_began is None else self._wal_began
            self.samples += [
                Sample("connections", float(await conn.fetchval(CONNECTIONS)), CONNECTIONS_LIMIT),
                Sample("dead rows", float(await conn.fetchval(DEAD)), DEAD_LIMIT),
                Sample("MB of WAL", wal - self._wal_began, WAL_LIMIT_MB),
            ]
        except AWAY:
            return
        finally:
            conn.terminate()


def _resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1_048_576
