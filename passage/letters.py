"""Dead letters from the command line: what a service could not use, and what a person decides about it."""

import getpass
from typing import Any
from uuid import UUID

from passage.context import NotConfigured, schema_of, settings_of
from shared.inbox.dead_letters import unseal
from shared.security.keyring import Keyring

_OPEN = """
select id, failed_at, type, reason, error, topic, partition, "offset", subject, sequence, wanted from dead_letters
 where resolved_at is null order by failed_at limit $1
"""
_ONE = """
select id, failed_at, type, reason, error, topic, partition, "offset", subject, sequence, wanted, record, note
  from dead_letters where id = $1
"""
_DECIDE = """
update dead_letters set wanted = $2, wanted_by = $3, note = null where id = $1 and resolved_at is null
"""


async def waiting(service: str, limit: int) -> list[dict[str, Any]]:
    """The oldest unresolved dead letters of a service."""
    async with schema_of(service) as connection:
        return [dict(row) for row in await connection.fetch(_OPEN, limit)]


async def show(service: str, letter: UUID) -> dict[str, Any]:
    """One dead letter with its raw key, headers and value; what was sealed for a patient stays sealed.

    Raises:
        NotConfigured: there is no such letter.
    """
    async with schema_of(service) as connection:
        row = await connection.fetchrow(_ONE, letter)
    if row is None:
        raise NotConfigured(f"{service} has no dead letter {letter}")
    found = dict(row)
    keyring = Keyring.load(settings_of(service).clinic_key_file)
    record = unseal(
        keyring, found.pop("record"), topic=found["topic"], partition=found["partition"], offset=found["offset"]
    )
    return {**found, "key": record.key, "headers": dict(record.headers), "value": record.value}


async def decide(service: str, letter: UUID, wanted: str) -> bool:
    """Tell the running service to replay or drop it; False when it is not waiting."""
    async with schema_of(service) as connection:
        done = await connection.execute(_DECIDE, letter, wanted, f"cli:{getpass.getuser()}")
    return bool(done == "UPDATE 1")
