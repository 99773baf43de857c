"""Where a command finds its stack: the environment, or what the stack on this machine wrote down."""

import getpass
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict

from shared.db.migrate import SERVICES
from shared.settings import ServiceSettings, secret

OWNER_URL = "PASSAGE_OWNER_DATABASE_URL"
CLOCK_URL = "PASSAGE_CLOCK_DATABASE_URL"
STAFF_FILE = "PASSAGE_STAFF_FILE"
PRODUCER_FILE = "PASSAGE_PRODUCER_FILE"


class NotConfigured(RuntimeError):
    """A setting is missing; the message names its variable and what else would do."""


def load_stack(state: Path) -> None:
    """Take over the settings of the stack in `state`, where the environment does not say otherwise."""
    file = state / "secrets" / "settings.json"
    if file.exists():
        for name, value in json.loads(file.read_text()).items():
            os.environ.setdefault(name, value)


def operator() -> str:
    """Who runs this command, as an actor."""
    return f"cli:{getpass.getuser()}"


def setting(name: str) -> str:
    """A variable, or the secret file of its name.

    Raises:
        NotConfigured: it is not set.
    """
    value = secret(name)
    if not value:
        raise NotConfigured(f"{name} is not set, and no stack was started here: run `make up`, or set it")
    return value


def settings_of(service: str) -> ServiceSettings:
    """What every service knows, as this service has it.

    Raises:
        NotConfigured: the service's variables are missing or wrong.
    """
    if service not in SERVICES:
        raise NotConfigured(f"no service {service!r}: one of {', '.join(SERVICES)}")
    prefix = f"PASSAGE_{service.upper()}_"

    class Found(ServiceSettings):
        model_config = SettingsConfigDict(env_prefix=prefix, extra="ignore", frozen=True)

    try:
        return Found()
    except ValidationError as error:
        names = ", ".join(prefix + str(found["loc"][0]).upper() for found in error.errors() if found["loc"])
        raise NotConfigured(f"missing or wrong: {names or error}; run `make up` here, or set them") from None


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """One connection for one command.

    Raises:
        NotConfigured: nothing answers there.
    """
    try:
        connection = await asyncpg.connect(dsn, timeout=10, server_settings={"application_name": "passage-cli"})
    except OSError as error:
        raise NotConfigured(f"the database does not answer ({error}): is the stack running?") from None
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def schema_of(service: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection with a service's own rights."""
    async with connected(settings_of(service).database_url.get_secret_value()) as connection:
        yield connection
