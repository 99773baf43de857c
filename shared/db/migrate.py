"""Plain SQL files become schemas, one per service; a role per service gets rights on its own schema only.

The promise: a file runs once, in a transaction of its own, and is never changed afterwards; two runs at the same moment
take turns; a statement that would wait for a lock for long gives up instead of stopping the clinic. Services never
migrate themselves. The owner of the tables is whoever runs this, never a service's role: a service can change rows, not
tables.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

SERVICES = ("intake", "assessment", "scheduling", "notifications", "dashboard", "identity")
KERNEL = Path(__file__).with_name("kernel")
HOUSES = Path(__file__).parents[2] / "services"
EXTENSIONS = "extensions"

_LOCK = 0x7061_7373_6167_65  # "passage"

_TAKE_TURNS = "select pg_advisory_lock($1)"
_ROLE_EXISTS = "select exists (select from pg_roles where rolname = $1)"
_LIMITS = "set local lock_timeout = '5s'; set local statement_timeout = '10min'; set local search_path = {schema}"
_CREATE_ROLE = "create role {role} nologin nosuperuser nocreatedb nocreaterole noinherit"
_COMMON = """
revoke all on schema public from public;
create schema if not exists {extensions};
create extension if not exists btree_gist schema {extensions};
"""
_SCHEMA = """
create schema if not exists {schema};
revoke all on schema {schema} from public;
grant usage on schema {schema} to {role};
alter role {role} set search_path = {schema};
alter default privileges in schema {schema} grant select, insert, update, delete on tables to {role};
alter default privileges in schema {schema} grant usage, select on sequences to {role};
alter default privileges in schema {schema} grant execute on functions to {role};
alter default privileges revoke execute on functions from public;
create table if not exists {schema}.migrations (
    origin     text not null,
    name       text not null,
    checksum   text not null,
    applied_at timestamptz not null default clock_timestamp(),
    primary key (origin, name)
);
revoke insert, update, delete on {schema}.migrations from {role};
"""
_APPLIED = "select origin, name, checksum from {schema}.migrations"
_RECORD = "insert into {schema}.migrations (origin, name, checksum) values ($1, $2, $3)"


class MigrationRefused(RuntimeError):
    """The files and the database contradict each other; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file. `origin` is "kernel" or the service's name."""

    origin: str
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def role_of(service: str) -> str:
    """The role that a service logs in with."""
    return f"passage_{service}"


def migrations_of(service: str) -> list[Migration]:
    """All files of a service in order: the kernel's tables first, then its own."""
    folders = (("kernel", KERNEL), (service, HOUSES / service / "migrations"))
    return [
        Migration(origin, file.name, file.read_text(encoding="utf-8"))
        for origin, folder in folders
        for file in sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    ]


async def migrate(dsn: str, services: Sequence[str] = SERVICES, *, newer_is_fine: bool = False) -> dict[str, list[str]]:
    """Bring every service's schema up to date, as the owner that `dsn` names; gives the names of what ran, per service.

    Raises:
        MigrationRefused: a file that already ran was changed, or the database is ahead of these files and not
            `newer_is_fine`.
    """
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(_TAKE_TURNS, _LOCK)
        async with connection.transaction():
            await connection.execute(fill(_COMMON, extensions=EXTENSIONS))
        return {service: await _migrate_one(connection, service, newer_is_fine) for service in services}
    finally:
        await connection.close()  # which lets the lock go


async def _migrate_one(connection: asyncpg.Connection, service: str, newer_is_fine: bool) -> list[str]:
    role = role_of(service)
    async with connection.transaction():
        await ensure_role(connection, role)
        await connection.execute(fill(_SCHEMA, schema=service, role=role))
    applied = {
        (row["origin"], row["name"]): row["checksum"] for row in await connection.fetch(fill(_APPLIED, schema=service))
    }
    files = migrations_of(service)
    _check(service, files, applied, newer_is_fine)
    pending = [file for file in files if (file.origin, file.name) not in applied]
    for file in pending:
        async with connection.transaction():
            await connection.execute(fill(_LIMITS, schema=service))
            await connection.execute(file.sql)
            await connection.execute(fill(_RECORD, schema=service), file.origin, file.name, file.checksum)
    return [f"{file.origin}/{file.name}" for file in pending]


def _check(service: str, files: Iterable[Migration], applied: dict[tuple[str, str], str], newer_is_fine: bool) -> None:
    known = {(file.origin, file.name): file for file in files}
    for key, checksum in applied.items():
        file = known.get(key)
        where = f"{service}: {'/'.join(key)}"
        if file is None:
            if newer_is_fine:
                continue
            raise MigrationRefused(f"{where} ran here but is not among these files: is this an older Passage?")
        if file.checksum != checksum:
            raise MigrationRefused(f"{where} was changed after it ran: put it back and write a new file instead")


async def ensure_role(connection: asyncpg.Connection, role: str) -> None:
    """Make the role where it is missing; it can't log in before it was given a password."""
    if not await connection.fetchval(_ROLE_EXISTS, role):
        await connection.execute(fill(_CREATE_ROLE, role=role))


def fill(statement: str, **names: str) -> str:
    """A statement with the names of schemas and roles, which can't be parameters.

    Raises:
        ValueError: a name that is not one lower-case word.
    """
    for name in names.values():
        if not re.fullmatch(r"[a-z][a-z_]{0,40}", name):
            raise ValueError(f"not the name of a schema or role: {name!r}")
    return statement.format_map(names)
