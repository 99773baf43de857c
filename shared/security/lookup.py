"""Keyed hashes: find a phone number or an address without storing it readably.

The promise: the same value of the same kind always has the same hash in one clinic, and without the clinic's look-up
key a hash can't be tried out. The look-up key is never rotated, because hashes can't be recomputed from themselves.
"""

import hashlib
import hmac

from shared.security.keyring import Keyring


class Lookup:
    """HMAC-SHA256 under the clinic's look-up key, separated by kind."""

    def __init__(self, keyring: Keyring) -> None:
        self._key = keyring.lookup

    def hash(self, kind: str, value: str) -> bytes:
        """32 bytes for a normalised `value` ("phone": E.164, "email": lower case, "token", …)."""
        return hmac.new(self._key, f"{kind}\x00{value}".encode(), hashlib.sha256).digest()
