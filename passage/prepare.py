"""Everything a development stack needs between "the database answers" and "the services start"."""

import asyncio
from pathlib import Path
from urllib.parse import unquote, urlsplit

import asyncpg

from deploy.embedded.broker import serves
from deploy.kafka.topics import create_topics
from passage.context import (
    CLOCK_URL,
    OWNER_URL,
    PRODUCER_FILE,
    STAFF_FILE,
    NotConfigured,
    connected,
    setting,
    settings_of,
)
from passage.recover import recover
from passage.seed import seed_producer, seed_staff
from shared.clinic import load
from shared.db.migrate import SERVICES, migrate
from shared.db.roles import provide_clock, provision
from shared.security.keyring import Keyring

PATIENCE_SECONDS = 60.0
_EXISTS = "select exists (select from pg_database where datname = $1)"
_CREATE = 'create database "passage"'


async def prepare() -> None:
    """Database, schemas, roles, clock, topics, demo accounts, and what consumers still need."""
    owner = setting(OWNER_URL)
    await asyncio.gather(_prepare_broker(), _prepare_database(owner))
    async with connected(owner) as connection:
        await recover(connection, by="start")


async def refill() -> None:
    """The broker forgot everything: its topics again, and what consumers still need. None of them runs."""
    await _prepare_broker()
    async with connected(setting(OWNER_URL)) as connection:
        await recover(connection, by="refill")


async def _prepare_broker() -> None:
    settings = settings_of("intake")
    port = int(settings.kafka.rpartition(":")[2])
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await asyncio.to_thread(serves, port):  # noqa: ASYNC110  only asking tells
            await asyncio.sleep(0.1)
    await create_topics(settings.kafka, prefix=settings.kafka_prefix)


async def _prepare_database(owner: str) -> None:
    await _database_answers(owner)
    await migrate(owner)
    await let_in(owner)
    await try_out(owner)


async def let_in(owner: str, *, clock: bool = False) -> None:
    """Let every service's role log in with the password in its address; `clock`: the one that moves the clock too."""
    addresses = [dsn_of(name) for name in SERVICES]
    await provision(owner, passwords_in([*addresses, setting(CLOCK_URL)] if clock else addresses))


async def try_out(owner: str) -> None:
    """What a stack for trying out has besides: a clock that can be moved, an account for everybody, a producer's key.

    Raises:
        NotConfigured: this is not a development stack.
    """
    settings = settings_of("identity")
    if settings.environment == "production":
        raise NotConfigured("a movable clock and demo accounts are for development: set PASSAGE_ENVIRONMENT, not this")
    await provide_clock(owner)
    await provision(owner, passwords_in([setting(CLOCK_URL)]))
    await seed_staff(Path(setting(STAFF_FILE)), load(settings.clinic_file), Keyring.load(settings.clinic_key_file))
    await seed_producer(Path(setting(PRODUCER_FILE)))


async def _database_answers(owner: str) -> None:
    connection = await _patiently(owner.replace("/passage?", "/postgres?"))
    if not await connection.fetchval(_EXISTS, "passage"):
        await connection.execute(_CREATE)
    await connection.close()


async def _patiently(dsn: str) -> asyncpg.Connection:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                return await asyncpg.connect(dsn)
            except (OSError, asyncpg.CannotConnectNowError):
                await asyncio.sleep(0.1)


def dsn_of(service: str) -> str:
    """A service's own address of the database."""
    return settings_of(service).database_url.get_secret_value()


def passwords_in(addresses: list[str]) -> dict[str, str]:
    """Role and password of each address."""
    parts = [urlsplit(address) for address in addresses]
    return {str(part.username): unquote(str(part.password)) for part in parts}
