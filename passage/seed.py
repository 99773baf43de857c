"""The people and the website of a development stack, so that somebody can sign in and something can send."""

import json
import secrets
from pathlib import Path
from typing import Any

import pyotp

from deploy.embedded.wiring import write_private
from passage.context import schema_of
from services.identity.accounts import seed_demo
from services.intake.api.producers import add_api_key
from shared.clinic import Clinic
from shared.security.keyring import Keyring

_ACCOUNTS = "select person_id from accounts"


async def seed_staff(file: Path, clinic: Clinic, keyring: Keyring) -> None:
    """An account for each person of the clinic file who has none; `file` keeps how they sign in."""
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


async def seed_producer(file: Path) -> None:
    """An API key for the producer "website", once; `file` keeps it."""
    if file.exists():
        return
    async with schema_of("intake") as connection:
        write_private(file, {"producer": "website", "key": await add_api_key(connection, "website")})
