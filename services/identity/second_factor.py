"""One-time codes (RFC 6238) and passwords (argon2id).

The promise: a code works once, and only in its half minute or the ones beside it; checking a password takes the same
time whether or not the account exists.
"""

import asyncio
import hmac
import time

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

STEP_SECONDS = 30
DRIFT = (0, -1, 1)
SHORTEST = 12
LONGEST = 200

_HASHER = PasswordHasher()
_NOBODY = _HASHER.hash("an account that does not exist")


class WeakPassword(ValueError):
    """The password can't be taken; the message says why."""


def new_totp_secret() -> str:
    return pyotp.random_base32()


def provisioning_uri(secret: str, username: str, issuer: str) -> str:
    """What an authenticator's camera reads."""
    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=issuer)


def step_of(secret: str, code: str, at: float | None = None) -> int | None:
    """The 30-second step (counted from 1970) whose code this is, if it is one that may be used now."""
    digits = code.replace(" ", "")
    if not (len(digits) == 6 and digits.isascii() and digits.isdecimal()):
        return None
    now = int((time.time() if at is None else at) // STEP_SECONDS)
    totp = pyotp.TOTP(secret)
    matching = [now + d for d in DRIFT if hmac.compare_digest(totp.generate_otp(now + d), digits)]
    return matching[0] if matching else None


async def hash_password(password: str) -> str:
    """The hash to keep. Off the event loop: it is slow on purpose.

    Raises:
        WeakPassword: too short, too long, or one character over and over.
    """
    if not SHORTEST <= len(password) <= LONGEST or len(set(password)) < 4:
        raise WeakPassword(f"use {SHORTEST} to {LONGEST} characters, of at least four kinds")
    return await asyncio.to_thread(_HASHER.hash, password)


async def password_fits(password: str, stored: str | None) -> bool:
    """Whether it is the password; a missing account costs the same time."""
    fits = await asyncio.to_thread(_verify, stored or _NOBODY, password[:LONGEST])
    return fits and stored is not None


def outdated(stored: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    return _HASHER.check_needs_rehash(stored)


def _verify(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
