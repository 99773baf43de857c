"""Everything a development stack needs between "the database answers" and "the services start"."""

import asyncio
import json
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncpg
import pyotp

from deploy.embedded.broker import serves
from deploy.embedded.wiring import write_private
from deploy.kafka.topics import create_topics
from passage.context import CLOCK_URL, OWNER_URL, STAFF_FILE, connected, schema_of, setting, settings_of
from passage.recover import recover
from shared.clinic import Clinic, load
from shared.db.migrate import SERVICES, migrate
from shared.db.roles import provide_clock, provision
from shared.security.keyring import Keyring

PATIENCE_SECONDS = 60.0
_EXISTS = "select exists (select from pg_database where datname = $1)"
_CREATE = 'create database "passage"'
_ACCOUNTS = "select person_id from accounts"


async def prepare() -> None:
    """Database, schemas, roles, clock, topics, demo accounts, and what consumers still need."""
    owner = setting(OWNER_URL)
    async with asyncio.TaskGroup() as together:
        together.create_task(_prepare_broker())
        together.create_task(_prepare_database(owner))
    async with connected(owner) as connection:
        await recover(connection, by="start")


async def refill() -> None:
    """The broker forgot everything: its topics again, and what consumers still need."""
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
    await provide_clock(owner)
    await provision(owner, passwords_in([*(dsn_of(name) for name in SERVICES), setting(CLOCK_URL)]))
    settings = settings_of("identity")
    await seed_staff(Path(setting(STAFF_FILE)), load(settings.clinic_file), Keyring.load(settings.clinic_key_file))


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


async def seed_staff(file: Path, clinic: Clinic, keyring: Keyring) -> None:
    """An account for each person of the clinic file who has none; `file` keeps how they sign in."""
    from services.identity.accounts import seed_demo

    staff = _staff(file, clinic)
    async with schema_of("identity") as connection:
        there = {row["person_id"] for row in await connection.fetch(_ACCOUNTS)}
        new = [one for one in staff if one["id"] not in there]
        await seed_demo(
            connection,
            clinic=clinic,
            keyring=keyring,
            passwords={one["id"]: one["password"] for one in new},
            secrets={one["id"]: one["totp_secret"] for one in new},
        )


def _staff(file: Path, clinic: Clinic) -> list[dict[str, Any]]:
    known: dict[str, dict[str, Any]] = {}
    if file.exists():
        known = {one["id"]: one for one in json.loads(file.read_text())["staff"]}
    staff = [
        known.get(person.id)
        or {
            "id": person.id,
            "name": person.name,
            "role": ", ".join(str(role) for role in person.roles),
            "password": f"{person.id}-{secrets.token_hex(5)}",
            "totp_secret": pyotp.random_base32(),
        }
        for person in clinic.people
    ]
    write_private(file, {"staff": staff})
    return staff
