"""A service's tables, empty, for one session only: where its read model is built anew beside the real one.

The promise: nothing that happens here can be seen by anybody else or outlives the connection. The tables are temporary
ones, every transaction is read-only, which lets PostgreSQL write to nothing but them, and is rolled back, so that no
notification leaves it either.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg

from passage.context import NotConfigured, settings_of
from shared.clinic import Clinic, load
from shared.db.migrate import fill
from shared.security.keyring import Keyring
from shared.security.keys import PatientKeys
from shared.security.lookup import Lookup
from shared.uow import UnitOfWork

_TABLES = """
select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where n.nspname = $1 and c.relkind = 'r' and not c.relispartition order by 1
"""
_COPY = "create temporary table {table} (like {service}.{table} including all)"
_EMPTY = "truncate pg_temp.{table}"
# Nothing but the copies can be named without a schema: a table that was forgotten is an error, not the real one.
_ONLY_HERE = "set search_path = pg_temp"


class Scratch:
    """One service's empty tables on a connection of the owner."""

    def __init__(
        self, conn: asyncpg.Connection, service: str, tables: list[str], clinic: Clinic, keyring: Keyring
    ) -> None:
        self.conn = conn
        self.service = service
        self._tables = tables
        self._clinic = clinic
        self._keyring = keyring

    @classmethod
    @asynccontextmanager
    async def of(cls, owner: str, service: str) -> AsyncIterator["Scratch"]:
        """Make the tables; they go with the connection."""
        settings = settings_of(service)
        clinic, keyring = load(settings.clinic_file), Keyring.load(settings.clinic_key_file)
        try:
            conn = await asyncpg.connect(
                owner, timeout=10, server_settings={"application_name": "passage-verify", "timezone": "UTC"}
            )
        except OSError as error:
            raise NotConfigured(f"the database does not answer ({error}): is the stack running?") from None
        try:
            tables = [row["relname"] for row in await conn.fetch(_TABLES, service)]
            for table in tables:
                await conn.execute(fill(_COPY, table=table, service=service))
            await conn.execute(_ONLY_HERE)
            yield cls(conn, service, tables, clinic, keyring)
        finally:
            await conn.close()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[None]:
        """One moment of the whole database, and empty tables; at the end as if nothing had happened."""
        transaction = self.conn.transaction(isolation="repeatable_read", readonly=True)
        await transaction.start()
        try:
            yield
        finally:
            await transaction.rollback()
            for table in self._tables:
                await self.conn.execute(fill(_EMPTY, table=table))

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[UnitOfWork]:
        """A unit of work as the service's consumer gets it, in a transaction of its own; its events go nowhere."""
        async with self.conn.transaction():
            yield UnitOfWork(
                conn=self.conn,
                service=self.service,
                now=datetime.now(UTC),
                actor=f"system:{self.service}",
                clinic=self._clinic,
                keys=PatientKeys(self.conn, self._keyring),
                lookup=Lookup(self._keyring),
            )
