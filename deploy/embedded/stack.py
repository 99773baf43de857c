"""The supervisor of a whole Passage on one machine: starts everything, keeps it running, leaves nothing behind.

The promise: `start` returns when every part answers `/ready`; a part that crashes is named with its last log lines and
started again; `stop` ends all of it cleanly, and when the supervisor itself is killed the kernel ends all of it. What
patients did is kept in `state`. Call it from the main thread: the processes' lives are tied to it.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Any, Literal

import httpx

from deploy.embedded.broker import EmbeddedBroker, JvmBroker
from deploy.embedded.plan import Kind, Plan
from deploy.embedded.postgres import Postgres
from deploy.embedded.processes import Program, StartFailed, any_free_port, last_lines
from deploy.embedded.supervisor import Member, Silent, Supervisor, Teller
from deploy.embedded.wiring import PROCESSES, Value, write_private
from shared.db.migrate import SERVICES

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "deploy" / "clinics" / "harbor.toml"
READY_SECONDS = 180.0
TRIES_BEFORE_READY = 3
CONSUMERS = tuple(name for name in SERVICES if name != "identity")
LOG_LIMIT = 5_000_000


class Stack:
    """See the module. `state` is its folder; `ports="any"` takes whatever is free, for tests."""

    def __init__(
        self,
        state: Path,
        *,
        ports: Literal["usual", "any"] = "usual",
        clinic: Path = DEMO,
        settings: dict[str, dict[str, Value]] | None = None,
        teller: Teller | None = None,
        kafka: Kind = "embedded",
    ) -> None:
        """`settings` changes single settings of single processes: `{"intake": {"log_level": "debug"}}`.

        `kafka="jvm"` takes Apache Kafka on this machine's Java, which keeps its topics across its restarts.
        """
        self.state = state.absolute()
        self.ports = ports
        self.clinic = clinic.absolute()
        self.changes = settings or {}
        self.teller = teller or Silent()
        self.kafka = kafka
        self.plan: Plan | None = None
        self.postgres: Postgres | None = None
        self.broker: EmbeddedBroker | JvmBroker | None = None
        self._lock: IO[str] | None = None
        self._supervisor = Supervisor(lambda: self.teller, self._write_facts_again)

    async def start(self) -> None:
        """Bring everything up.

        Raises:
            StartFailed: it says what did not come up, with its last log lines; everything is stopped again.
        """
        self._take_lock()
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End everything: services first, each with time to finish, then broker and database."""
        await self._supervisor.end()
        services = [member for name, member in self.members.items() if name in PROCESSES]
        await asyncio.gather(*(asyncio.to_thread(member.program.stop) for member in services))
        for part in (self.broker, self.postgres):
            if part is not None:
                await asyncio.to_thread(part.stop)
        self.members.clear()
        if self._lock is not None:
            with contextlib.suppress(FileNotFoundError):
                (self.state / "stack.json").unlink()
            self._lock.close()
            self._lock = None

    async def run(self, until: asyncio.Event) -> None:
        """Supervise until the event is set."""
        await until.wait()

    @property
    def members(self) -> dict[str, Member]:
        """The running processes by name: the services, "sandbox", "postgres", "broker"."""
        return self._supervisor.members

    def kill(self, name: str) -> None:
        """Kill -9 one process; the supervisor starts it again."""
        self.members[name].program.kill()

    def url(self, name: str) -> str:
        """Base address of a service or the sandbox."""
        return self._planned.wiring.urls[name]

    @property
    def facts(self) -> dict[str, Any]:
        """What scripts and tests need to know; written to `stack.json`."""
        plan = self._planned
        return {
            "urls": plan.wiring.urls,
            "smtp": f"127.0.0.1:{plan.wiring.smtp_port}",
            "logins": plan.logins(),
            "producer_key": plan.producer_key(),
            "pids": {name: member.program.pid for name, member in self.members.items()} | {"supervisor": os.getpid()},
            "database_url": plan.owner_url,
            "kafka": plan.wiring.kafka,
            "secrets": str(plan.wiring.secrets.folder),
            "clinic": str(self.clinic),
        }

    @property
    def _planned(self) -> Plan:
        if self.plan is None:
            raise StartFailed("the stack was not started")
        return self.plan

    def _take_lock(self) -> None:
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (self.state / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            told = self.state / "stack.json"
            where = json.loads(told.read_text())["urls"]["dashboard"] if told.exists() else "it is still starting"
            raise StartFailed(f"Passage already runs here: {where}") from None
        self._lock = lock

    async def _start(self) -> None:
        self.plan = plan = Plan.make(
            self.state, ports=self.ports, clinic=self.clinic, changes=self.changes, kafka=self.kafka
        )
        if plan.moved:
            self.teller.step("Ports in use by others were avoided: " + ", ".join(plan.moved))
        self.postgres = Postgres(
            self.state / "postgres",
            port=plan.postgres_port,
            password=plan.wiring.secrets.owner_password,
            log=self._log("postgres"),
        )
        self.broker = self._make_broker(plan)
        plan.write(self.postgres)
        self.teller.step("Starting PostgreSQL and the broker")
        self.broker.launch()
        self.postgres.launch()
        preparing = self._prepare("prepare")
        try:
            for name, part in (("broker", self.broker), ("postgres", self.postgres)):
                await asyncio.to_thread(part.wait)
                forgets = name == "broker" and not self.broker.durable
                if forgets:
                    self._supervisor.add(name, _launcher(part), part.program, self._refill_broker, leans=CONSUMERS)
                else:
                    self._supervisor.add(name, _launcher(part), part.program)
            self.teller.step("Preparing database, topics and staff accounts")
            await self._finish(preparing)
        except BaseException:
            preparing.kill()  # it is no member of the stack, so nobody else ends it
            raise
        self.teller.step("Starting the services")
        for name in PROCESSES:
            self._supervisor.add(name, partial(self._launch, name), self._launch(name))
        self._supervisor.begin()
        await self._until_ready()
        self._write_facts()

    def _make_broker(self, plan: Plan) -> EmbeddedBroker | JvmBroker:
        if self.kafka == "embedded":
            return EmbeddedBroker(plan.broker_port, self._log("broker"))
        return JvmBroker(plan.broker_port, any_free_port(), self.state / "kafka", self._log("broker"))

    def _write_facts(self) -> None:
        write_private(self.state / "stack.json", self.facts)

    def _write_facts_again(self) -> None:
        if (self.state / "stack.json").exists():
            self._write_facts()

    def _log(self, name: str) -> Path:
        log = self.state / "logs" / f"{name}.log"
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
        return log

    def _launch(self, name: str) -> Program:
        module = f"services.{name}" if name in SERVICES else f"deploy.{name}"
        return self._python(name, "-m", module, variables=self._planned.wiring.variables(name))

    def _prepare(self, command: str) -> Program:
        return self._python("prepare", "-m", "passage", "--state", str(self.state), command, variables={})

    def _python(self, name: str, *arguments: str, variables: dict[str, str], home: Path = ROOT) -> Program:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("PASSAGE_")}
        environment = {**inherited, "PYTHONUNBUFFERED": "1", **variables}
        return Program(name, [sys.executable, *arguments], log=self._log(name), environment=environment, cwd=home)

    async def _finish(self, program: Program) -> None:
        try:
            code = await asyncio.to_thread(program.process.wait)
        except asyncio.CancelledError:
            program.kill()
            raise
        if code != 0:
            raise StartFailed(f"preparing failed:\n{program.last_lines()}")

    async def _refill_broker(self) -> None:
        """The embedded broker forgot everything: topics again, and what consumers still need.

        None of them runs meanwhile: it refuses nobody, so one that went on would tell it offsets of the broker before,
        wait for ever at a position that this one has yet to reach, or write to a topic that is just being made.
        """
        assert self.broker is not None
        await asyncio.to_thread(self.broker.wait)
        await self._finish(self._prepare("refill"))

    async def _until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        waiting = dict.fromkeys(PROCESSES, "no answer yet")
        async with httpx.AsyncClient(timeout=3) as http:
            while waiting:
                answers = await asyncio.gather(*(self._why_not_ready(http, name) for name in waiting))
                for name, reason in zip(tuple(waiting), answers, strict=True):
                    if reason:
                        waiting[name] = reason
                    else:
                        del waiting[name]
                        self.teller.step(f"{name} is ready at {self.url(name)}")
                self._give_up_on(waiting, late=time.monotonic() > deadline)
                await asyncio.sleep(0.25)

    def _give_up_on(self, waiting: dict[str, str], *, late: bool) -> None:
        for name, reason in waiting.items():
            if late or self.members[name].failures >= TRIES_BEFORE_READY:
                log = last_lines(self.state / "logs" / f"{name}.log")
                raise StartFailed(f"{name} did not become ready ({reason}). The end of its log:\n{log}")

    async def _why_not_ready(self, http: httpx.AsyncClient, name: str) -> str:
        try:
            answer = await http.get(f"{self.url(name)}/ready")
        except httpx.HTTPError as error:
            return type(error).__name__
        return "" if answer.status_code == httpx.codes.OK else answer.text[:300]


def _launcher(part: Postgres | EmbeddedBroker | JvmBroker) -> Callable[[], Program]:
    def launch() -> Program:
        part.launch()
        return part.program

    return launch
