"""Kafka submissions: letters that only intake can open.

A letter is a JWE (compact, ECDH-ES with A256GCM) of a Submission to intake's public key, which anybody may fetch. So a
broker, its operators and its backups never see who wrote to a clinic.
"""

import json
import os
from pathlib import Path
from typing import Any, Self

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

ALGORITHMS = ["ECDH-ES", "A256GCM"]
CURVE = "P-256"


class Unopened(ValueError):
    """The letter is not for this key, was changed, or is no letter. The message is a code."""


class Mailbox:
    """Intake's key pair, and whether letters may come without an envelope."""

    def __init__(self, key: ECKey, *, plain: bool) -> None:
        self._key = key
        self._plain = plain

    @classmethod
    def load(cls, path: Path, *, plain: bool, create: bool) -> Self:
        """Read the private JWK; make one where there is none and `create` allows it."""
        if create and not path.exists():
            _make(path)
        return cls(ECKey.import_key(json.loads(path.read_text())), plain=plain)

    @property
    def public(self) -> dict[str, Any]:
        """The public JWK, for producers."""
        return {**self._key.as_dict(private=False), "use": "enc", "alg": ALGORITHMS[0], "kid": self._key.thumbprint()}

    def open(self, letter: bytes) -> bytes:
        """The JSON inside.

        Raises:
            Unopened
        """
        if letter.lstrip()[:1] == b"{":
            if self._plain:
                return letter
            raise Unopened("not-encrypted")
        try:
            opened = jwe.decrypt_compact(letter.strip(), self._key, algorithms=ALGORITHMS)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise Unopened("does-not-open") from error
        if opened.plaintext is None:
            raise Unopened("does-not-open")
        return opened.plaintext


def seal_letter(public: dict[str, Any], content: bytes) -> str:
    """What a producer does: close `content` to intake's public JWK."""
    protected = {"alg": ALGORITHMS[0], "enc": ALGORITHMS[1], "kid": public["kid"]}
    return jwe.encrypt_compact(protected, content, ECKey.import_key(public), algorithms=ALGORITHMS)


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    key = ECKey.generate_key(CURVE, private=True)
    # Several processes may start at once: the first to link its file into place wins, whole.
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(key.as_dict(private=True)))
    try:
        path.hardlink_to(fresh)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
