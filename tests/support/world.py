"""A clinic of its own for a test module: a migrated database, topics of its own, addresses, keys and an issuer."""

import importlib
import json
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import asyncpg
import httpx
from fastapi import FastAPI

from deploy.embedded.broker import serves
from deploy.embedded.plan import SESSION_MS
from deploy.embedded.processes import any_free_port, is_free
from deploy.embedded.wiring import PROCESSES, Secrets, Value, Wiring
from deploy.kafka.topics import create_topics, delete_topics
from shared.db.migrate import SERVICES, role_of
from shared.db.roles import CLOCK_ROLE
from tests.support.issuer import Issuer
from tests.support.postgres import Databases
from tests.support.serving import serving
from tests.support.waiting import eventually

CLINIC = Path(__file__).parents[2] / "deploy" / "clinics" / "harbor.toml"


@dataclass(frozen=True, slots=True)
class Infrastructure:
    """The database server and the broker of this run, started by the process that controls it."""

    folder: Path
    server: str
    kafka: str
    kafka_kind: str
    kafka_idempotent: bool
    kafka_durable: bool

    @classmethod
    def of_this_run(cls) -> Self:
        found = json.loads(os.environ["PASSAGE_TEST_RUN"])
        return cls(**{**found, "folder": Path(found["folder"])})

    def announce(self) -> None:
        """Let this process and the workers that it starts find it."""
        content = {name: getattr(self, name) for name in self.__dataclass_fields__}
        os.environ["PASSAGE_TEST_RUN"] = json.dumps(content, default=str)


@dataclass(slots=True)
class Running:
    """A service in this process, on a real port."""

    name: str
    url: str
    app: FastAPI
    http: httpx.AsyncClient
    issuer: Issuer

    @property
    def service(self) -> Any:
        return self.app.state.service

    def as_staff(self, person: str, *, step_up: bool = False) -> dict[str, str]:
        """Request headers of a member of staff of the clinic file."""
        return {"authorization": f"Bearer {self.issuer.token(person, self.name, step_up=step_up)}"}


@dataclass(slots=True)
class World:
    """See `Worlds.make`. `database` is a clone of the migrated template; topics are created when first asked for."""

    infrastructure: Infrastructure
    database: str
    databases: Databases
    wiring: Wiring
    issuer: Issuer
    _topics: list[str] = field(default_factory=list)

    @property
    def kafka(self) -> str:
        return self.infrastructure.kafka

    @property
    def kafka_kind(self) -> str:
        return self.infrastructure.kafka_kind

    @property
    def kafka_prefix(self) -> str:
        return self.wiring.kafka_prefix

    @property
    def clinic_file(self) -> Path:
        return self.wiring.clinic_file

    @property
    def secrets(self) -> Secrets:
        return self.wiring.secrets

    def dsn(self, service: str | None = None) -> str:
        """The database's address as a service's role, or as the owner of everything."""
        return self.databases.dsn(self.database, role_of(service) if service else None)

    @asynccontextmanager
    async def connection(self, service: str | None = None) -> AsyncIterator[asyncpg.Connection]:
        """A connection as a service's role, or as the owner of everything."""
        connection = await asyncpg.connect(self.dsn(service))
        try:
            yield connection
        finally:
            await connection.close()

    async def topics(self) -> None:
        """Create this world's topics; `start` does it by itself."""
        if not self._topics:
            await self._broker_answers()
            self._topics = await create_topics(self.kafka, prefix=self.kafka_prefix)

    async def _broker_answers(self) -> None:
        port = int(self.kafka.rpartition(":")[2])
        await eventually(lambda: serves(port), timeout=60, every=0.1)

    @asynccontextmanager
    async def start(self, name: str, **changes: Value) -> AsyncIterator[Running]:
        """Run a service; `changes` are settings by their names. A second one of the same name gets another port."""
        await self.topics()
        changes.setdefault("port", self.wiring.ports[name] if is_free(self.wiring.ports[name]) else any_free_port())
        app = self.application(name, **changes)
        url = f"http://127.0.0.1:{changes['port']}"
        async with (
            serving(app, int(str(changes["port"]))),
            httpx.AsyncClient(base_url=url, timeout=15) as http,
        ):
            yield Running(name, url, app, http, self.issuer)

    def application(self, name: str, **changes: Value) -> FastAPI:
        """A service's application, not started."""
        variables = self.wiring.variables(name, **changes)
        os.environ.update(variables)
        try:
            created: FastAPI = importlib.import_module(f"services.{name}.app").create()
        finally:
            for variable in variables:
                os.environ.pop(variable, None)
        return created

    async def close(self) -> None:
        """Forget its topics and its database."""
        if self._topics:
            await delete_topics(self.kafka, self._topics)
        await self.databases.drop(self.database)


async def make_world(
    infrastructure: Infrastructure, folder: Path, issuer: Issuer, *, clinic: Path = CLINIC, kafka: str | None = None
) -> World:
    """A fresh world. `kafka` names another broker than the run's."""
    databases = Databases(infrastructure.server)
    database = await databases.clone(f"w{os.getpid()}")
    ports = {name: any_free_port() for name in PROCESSES}
    addresses = {name: databases.dsn(database, role_of(name)) for name in SERVICES}
    wiring = Wiring(
        environment="test",
        databases={**addresses, "clock": databases.dsn(database, CLOCK_ROLE)},
        kafka=kafka or infrastructure.kafka,
        kafka_idempotent=infrastructure.kafka_idempotent,
        kafka_fetch_wait_ms=10 if infrastructure.kafka_kind == "embedded" else 100,
        kafka_session_ms=SESSION_MS if infrastructure.kafka_kind == "embedded" else 10_000,
        kafka_prefix=f"t{secrets.token_hex(4)}.",
        ports=ports,
        smtp_port=any_free_port(),
        clinic_file=clinic,
        secrets=Secrets.keep(folder / "secrets"),
        extra={name: {"oidc_issuer": issuer.url} for name in SERVICES if name != "identity"},
    )
    return World(infrastructure, database, databases, wiring, issuer)
