"""Sealing: AES-256-GCM, as text.

The promise: sealed text opens only with the right key *and* the right subject; a changed character is noticed. What a
patient's key sealed starts with `s1.`; what the clinic's own keys sealed for operations (dead letters, second-factor
secrets) starts with `r1.` and names its key.
"""

import base64
import binascii
import json
import os
from typing import TYPE_CHECKING, Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    from shared.security.keyring import Keyring

NONCE = 12
PATIENT = "s1."
RECORD = "r1."


class Unsealable(ValueError):
    """The sealed text does not open: wrong key, wrong subject, or changed."""


def encode(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The bytes of `encode`.

    Raises:
        Unsealable: the text is not base64url.
    """
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unsealable("sealed text is malformed") from error


class Box:
    """Seals and opens for one subject. Not comparable, not printable, not to be stored."""

    __slots__ = ("_cipher", "_subject")

    def __init__(self, subject: UUID, key: bytes) -> None:
        self._subject = subject.bytes
        self._cipher = AESGCM(key)

    def seal(self, text: str) -> str:
        """`s1.` and base64url of nonce and ciphertext; never the same twice."""
        nonce = os.urandom(NONCE)
        return PATIENT + encode(nonce + self._cipher.encrypt(nonce, text.encode(), self._subject))

    def open(self, sealed: str) -> str:
        """The text that was sealed.

        Raises:
            Unsealable: it is not this subject's, or was changed.
        """
        if not sealed.startswith(PATIENT):
            raise Unsealable("not sealed with a patient's key")
        raw = decode(sealed[len(PATIENT) :])
        try:
            return self._cipher.decrypt(raw[:NONCE], raw[NONCE:], self._subject).decode()
        except (InvalidTag, ValueError) as error:
            raise Unsealable("sealed text does not open") from error

    def seal_json(self, value: Any) -> str:
        """Seal a JSON value."""
        return self.seal(json.dumps(value, ensure_ascii=False, separators=(",", ":")))

    def open_json(self, sealed: str) -> Any:
        """The JSON value that was sealed.

        Raises:
            Unsealable: see `open`.
        """
        return json.loads(self.open(sealed))


def seal_record(keyring: "Keyring", record: bytes, *, purpose: str = "records") -> str:
    """Seal bytes with the clinic's active key, for what has no patient or whose patient cannot be read."""
    nonce, kid = os.urandom(NONCE), keyring.active
    cipher = AESGCM(keyring.derive(purpose, kid))
    return f"{RECORD}{kid}.{encode(nonce + cipher.encrypt(nonce, record, purpose.encode()))}"


def open_record(keyring: "Keyring", sealed: str, *, purpose: str = "records") -> bytes:
    """The bytes that `seal_record` sealed for the same purpose.

    Raises:
        Unsealable: none of the clinic's keys opens it.
    """
    kid, _, body = sealed.removeprefix(RECORD).rpartition(".")
    if not sealed.startswith(RECORD) or not kid:
        raise Unsealable("not sealed with a clinic's key")
    raw = decode(body)
    try:
        return AESGCM(keyring.derive(purpose, kid)).decrypt(raw[:NONCE], raw[NONCE:], purpose.encode())
    except (InvalidTag, ValueError) as error:
        raise Unsealable("sealed record does not open") from error
