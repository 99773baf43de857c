"""Who may log in: passwords of the services' roles, and in development the role that moves the clock.

The promise: a password reaches the database only as its SCRAM verifier, so it is in no log.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence

import asyncpg

from shared.db.migrate import SERVICES, ensure_role, fill, role_of

CLOCK_ROLE = "passage_clock"

_ITERATIONS = 4096
_LOGIN = "alter role {role} login password '{{verifier}}'"
_CLOCK = """
create schema if not exists clock;
create table if not exists clock.state (
    one            boolean primary key default true check (one),
    offset_seconds double precision not null default 0
);
insert into clock.state default values on conflict do nothing;
grant usage on schema clock to {role};
grant select, update on clock.state to {role};
"""
_CLOCK_READER = "grant usage on schema clock to {role}; grant select on clock.state to {role}"
_SEES_TIMERS = "grant usage on schema {schema} to {role}; grant select on {schema}.timers to {role}"


async def provision(dsn: str, passwords: Mapping[str, str]) -> None:
    """Let each role log in with its password; a role that is missing is made. As the owner that `dsn` names."""
    connection = await asyncpg.connect(dsn)
    try:
        for role, password in passwords.items():
            async with connection.transaction():
                await ensure_role(connection, role)
                await connection.execute(fill(_LOGIN, role=role).format(verifier=scram_verifier(password)))
    finally:
        await connection.close()


async def provide_clock(dsn: str, services: Sequence[str] = SERVICES) -> None:
    """Development and tests only: the row that moves business time, and a role that may move it.

    That role also sees when timers are due, so that a person can step from one to the next. It sees nothing else.
    """
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await ensure_role(connection, CLOCK_ROLE)
            await connection.execute(fill(_CLOCK, role=CLOCK_ROLE))
            for service in services:
                await connection.execute(fill(_CLOCK_READER, role=role_of(service)))
                await connection.execute(fill(_SEES_TIMERS, schema=service, role=CLOCK_ROLE))
    finally:
        await connection.close()


def scram_verifier(password: str) -> str:
    """What PostgreSQL stores of a password (RFC 5803); the password can't be read from it."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    client = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(part).decode() for part in (salt, client, server)]
    return f"SCRAM-SHA-256${_ITERATIONS}:{encoded[0]}${encoded[1]}:{encoded[2]}"
