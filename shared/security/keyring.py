"""The clinic's keys, from a file: `{"active": "k1", "keys": {"k1": base64 of 32 bytes}, "lookup": base64 of 32 bytes}`.

The promise: nothing is ever encrypted with a clinic key itself but with a key derived from it for one purpose; a key
that is no longer active still opens what it closed, so rotation is adding a key and naming it active. A running process
notices a changed file by itself: within a second before it closes anything, at once when it meets a key that it does
not know. A file that can't be read, or that names another lookup key, changes nothing.
"""

import json
import os
import time
from collections import OrderedDict
from pathlib import Path
from typing import Self
from uuid import UUID

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import Base64Bytes, BaseModel, ConfigDict, ValidationError

from shared.contracts.base import WrappedKey
from shared.security.sealing import NONCE, Unsealable, decode, encode

KEY = 32
REMEMBERED = 4_096
LOOK_SECONDS = 1.0
log = structlog.get_logger()


class KeyFileError(Exception):
    """The key file cannot be used; the message says what is wrong with it, never its content."""


class _KeyFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    active: str
    keys: dict[str, Base64Bytes]
    lookup: Base64Bytes


class Keyring:
    """The clinic's keys by id, and what is derived from them."""

    def __init__(self, active: str, keys: dict[str, bytes], lookup: bytes, path: Path | None = None) -> None:
        if active not in keys:
            raise KeyFileError(f"the active key {active!r} is not among the keys")
        if any(len(key) != KEY for key in (*keys.values(), lookup)):
            raise KeyFileError(f"every key must have {KEY} bytes")
        self.lookup = lookup
        self._active = active
        self._keys = keys
        self._path = path
        self._seen = _version(path)
        self._looked = time.monotonic()
        self._derived: dict[tuple[str, str], bytes] = {}
        self._unwrapped: OrderedDict[tuple[UUID, str], bytes] = OrderedDict()

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the key file.

        Raises:
            KeyFileError: the file is missing or malformed.
        """
        try:
            file = _KeyFile.model_validate(json.loads(path.read_bytes()))
        except OSError as error:
            raise KeyFileError(f"{path} cannot be read: {error.strerror}") from error
        except ValidationError as error:
            places = ", ".join(".".join(str(part) for part in found["loc"]) for found in error.errors())
            raise KeyFileError(f"{path} is malformed at: {places}") from None
        except ValueError:
            raise KeyFileError(f"{path} is not JSON") from None
        return cls(file.active, dict(file.keys), file.lookup, path)

    @property
    def active(self) -> str:
        """The id of the key that closes what is closed now."""
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._look()
        return self._active

    @property
    def ids(self) -> frozenset[str]:
        """The keys that open."""
        return frozenset(self._keys)

    def _look(self) -> None:
        """Take the file over where it has changed."""
        self._looked = time.monotonic()
        version = _version(self._path)
        if self._path is None or version in (None, self._seen):
            return
        self._seen = version
        try:
            found = Keyring.load(self._path)
        except KeyFileError as error:
            log.error("clinic_keys_unusable", reason=str(error))
            return
        if found.lookup != self.lookup:
            log.error("clinic_keys_unusable", reason="the lookup key is another one")
            return
        self._active, self._keys = found._active, found._keys
        self._derived.clear()
        log.info("clinic_keys_changed", active=self._active, keys=sorted(self._keys))

    def derive(self, purpose: str, kid: str | None = None) -> bytes:
        """The 32-byte key for one purpose, of the active key or of `kid`.

        Raises:
            Unsealable: the ring has no key `kid`.
        """
        kid = kid or self.active
        if kid not in self._keys:
            self._look()
        if kid not in self._keys:
            raise Unsealable(f"the clinic's keys have no {kid!r}")
        place = (kid, purpose)
        if place not in self._derived:
            self._derived[place] = _derive(self._keys[kid], purpose)
        return self._derived[place]

    def lasting(self, purpose: str) -> bytes:
        """A 32-byte key for one purpose that rotation doesn't change: for hashes that can't be made anew."""
        return _derive(self.lookup, purpose)

    def wrap(self, subject: UUID, key: bytes) -> WrappedKey:
        """A patient's data key, closed by the active clinic key and bound to the patient."""
        nonce, kid = os.urandom(NONCE), self.active
        closed = AESGCM(self.derive("patient-keys", kid)).encrypt(nonce, key, subject.bytes)
        return WrappedKey(kid=kid, wrapped=encode(nonce + closed))

    def unwrap(self, subject: UUID, wrapped: WrappedKey) -> bytes:
        """The patient's data key. The latest few thousand are remembered.

        Raises:
            Unsealable: no key of the ring opens it, or it belongs to someone else.
        """
        place = (subject, wrapped.wrapped)
        key = self._unwrapped.get(place)
        if key is not None:
            self._unwrapped.move_to_end(place)
            return key
        raw = decode(wrapped.wrapped)
        try:
            cipher = AESGCM(self.derive("patient-keys", wrapped.kid))
            key = cipher.decrypt(raw[:NONCE], raw[NONCE:], subject.bytes)
        except (InvalidTag, ValueError) as error:
            raise Unsealable("a patient's key does not open with the clinic's key") from error
        self._unwrapped[place] = key
        if len(self._unwrapped) > REMEMBERED:
            self._unwrapped.popitem(last=False)
        return key

    def forget(self, subject: UUID) -> None:
        """Drop what this process remembers of a patient's key."""
        for place in [place for place in self._unwrapped if place[0] == subject]:
            del self._unwrapped[place]


def _version(path: Path | None) -> tuple[int, int, int] | None:
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ino, found.st_size) if found is not None else None


def _derive(key: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY, salt=None, info=b"passage/" + purpose.encode()).derive(key)
