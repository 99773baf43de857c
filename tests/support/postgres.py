"""One PostgreSQL per run: migrated once into a template, from which each test module gets a clone."""

import asyncio
import secrets
from pathlib import Path

import asyncpg

from deploy.embedded.postgres import Postgres
from deploy.embedded.processes import any_free_port
from shared.db.migrate import SERVICES, migrate, role_of
from shared.db.roles import CLOCK_ROLE, provide_clock, provision

PASSWORD = "only-for-tests"
TEMPLATE = "passage_template"

_CREATE = 'create database "{name}" template "{template}" strategy file_copy'
_DROP = 'drop database if exists "{name}" with (force)'


def launch(folder: Path) -> Postgres:
    """A cluster in `folder`, starting; ready after `wait`."""
    postgres = Postgres(
        folder / "postgres", port=any_free_port(), password=PASSWORD, log=folder / "postgres.log", durable=False
    )
    postgres.launch()
    return postgres


def prepare(postgres: Postgres) -> None:
    """Roles, and the migrated database that every worker's own is cloned from."""
    asyncio.run(_prepare(postgres))


async def _prepare(postgres: Postgres) -> None:
    admin = await asyncpg.connect(postgres.dsn())
    await admin.execute(f'create database "{TEMPLATE}"')
    await admin.close()
    template = postgres.dsn(database=TEMPLATE)
    await migrate(template)
    await provide_clock(template)
    await provision(template, dict.fromkeys((*map(role_of, SERVICES), CLOCK_ROLE), PASSWORD))


class Databases:
    """Makes clones of the template. `server` is the owner's address of the database `postgres`."""

    def __init__(self, server: str) -> None:
        self.server = server

    def dsn(self, database: str, role: str | None = None) -> str:
        """The address of a database as its owner, or as `role`."""
        address = self.server.replace("/postgres?", f"/{database}?")
        return address if role is None else address.replace("//passage_owner:", f"//{role}:")

    async def clone(self, stem: str) -> str:
        """A fresh, migrated, empty database; its name."""
        name = f"{stem}_{secrets.token_hex(4)}"
        await self._run(_CREATE.format(name=name, template=TEMPLATE))
        return name

    async def create(self, stem: str) -> str:
        """A fresh database without anything in it; its name."""
        name = f"{stem}_{secrets.token_hex(4)}"
        await self._run(_CREATE.format(name=name, template="template0"))
        return name

    async def drop(self, name: str) -> None:
        await self._run(_DROP.format(name=name))

    async def _run(self, statement: str) -> None:
        admin = await asyncpg.connect(self.server)
        try:
            await admin.execute(statement)
        finally:
            await admin.close()
