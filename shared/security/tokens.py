"""Random tokens: what a link, a session or a producer shows to be let in.

The promise: 128 random bits or more, and only a hash is ever stored. A plain hash is enough, since what is hashed
can't be guessed.
"""

import hashlib
import hmac
import re
import secrets

_LINK = re.compile(r"[A-Za-z0-9_-]{22}")


def new_token() -> str:
    """22 characters, 128 random bits: for links."""
    return secrets.token_urlsafe(16)


def new_secret() -> str:
    """43 characters, 256 random bits: for sessions, API keys and refresh tokens."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> bytes:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).digest()


def matches(token: str, stored: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(digest(token), stored)


def looks_like_link(token: str) -> bool:
    """Whether it is worth asking the database."""
    return _LINK.fullmatch(token) is not None
