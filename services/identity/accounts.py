"""Accounts of the people in the clinic file."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import asyncpg

from services.identity import repository
from services.identity.repository import Account
from services.identity.second_factor import hash_password, new_totp_secret, provisioning_uri
from shared.clinic import Clinic, Person
from shared.security.keyring import Keyring
from shared.security.sealing import open_record, seal_record

PURPOSE = "totp"
_USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,62}")


class NotInClinic(ValueError):
    """An account was to be made for somebody who is not in the clinic file."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the person needs to sign in; shown once. `uri` is what an authenticator's camera reads."""

    person_id: str
    username: str
    totp_secret: str
    uri: str


async def add_user(
    conn: asyncpg.Connection,
    *,
    clinic: Clinic,
    keyring: Keyring,
    person_id: str,
    password: str,
    username: str | None = None,
    totp_secret: str | None = None,
) -> Enrolment:
    """Make the person's account, or give it a new password and second factor.

    `username` is the person's id unless told.

    Raises:
        NotInClinic: no such person in the clinic file. WeakPassword: see its message. ValueError: not a username.
    """
    name = (username or person_id).lower()
    if not _USERNAME.fullmatch(name):
        raise ValueError("a username has 2 to 63 lower-case letters, digits, dots, dashes")
    if all(person.id != person_id for person in clinic.people):
        raise NotInClinic(f"{person_id!r} is not among the people of {clinic.name}")
    secret = totp_secret or new_totp_secret()
    sealed = seal_record(keyring, secret.encode(), purpose=PURPOSE)
    await repository.save_account(conn, Account(person_id, name, await hash_password(password), sealed))
    return Enrolment(person_id, name, secret, provisioning_uri(secret, name, clinic.name))


async def seed_demo(
    conn: asyncpg.Connection,
    *,
    clinic: Clinic,
    keyring: Keyring,
    passwords: Mapping[str, str],
    secrets: Mapping[str, str],
) -> list[Enrolment]:
    """Accounts of a development stack, by person id. Running it again gives the same accounts."""
    return [
        await add_user(
            conn,
            clinic=clinic,
            keyring=keyring,
            person_id=person_id,
            password=password,
            totp_secret=secrets[person_id],
        )
        for person_id, password in passwords.items()
    ]


def totp_secret_of(account: Account, keyring: Keyring) -> str:
    """The account's second-factor secret.

    Raises:
        Unsealable: the clinic's keys don't open it.
    """
    return open_record(keyring, account.totp_secret, purpose=PURPOSE).decode()


def person_of(people: Iterable[Person], person_id: str) -> Person | None:
    """The person behind an account, while they are in the clinic file."""
    return next((person for person in people if person.id == person_id), None)
