"""The issuer's signing keys: ES256, sealed in the database, so that replicas share them.

The promise: a key signs for 90 days and is published until nothing that it signed is valid any more. It is published
for a while before it signs: no process of identity, and no service, meets a signature by a key that it doesn't know.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from joserfc.jwk import ECKey, KeySet

from services.identity import repository
from shared.security.keyring import Keyring
from shared.security.sealing import open_record, seal_record

ALGORITHM = "ES256"
SIGNS_FOR = timedelta(days=90)
AHEAD = timedelta(hours=1)
"""Each process reads the keys every five minutes, and services take over what is published within ten."""
PURPOSE = "signing-keys"


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The key that signs now, and all that are published."""

    active: ECKey
    published: tuple[ECKey, ...]

    def signing(self) -> KeySet:
        """The one key that signs, as a set, so that tokens name its id."""
        return KeySet([self.active])

    def all(self) -> KeySet:
        return KeySet(list(self.published))

    def jwks(self) -> dict[str, Any]:
        """The public parts."""
        return {"keys": [key.as_dict(private=False) for key in self.published]}


async def load(conn: asyncpg.Connection, keyring: Keyring, *, signs_for: timedelta = SIGNS_FOR) -> SigningKeys:
    """The keys; a new one is made when there is none or the newest is old. Needs an open transaction."""
    rows = await repository.keys(conn)
    if not _current(rows, signs_for):
        await repository.lock_keys(conn)
        rows = await repository.keys(conn)
        if not _current(rows, signs_for):
            key = _new()
            record = json.dumps(key.as_dict(private=True)).encode()
            await repository.add_key(conn, str(key.kid), seal_record(keyring, record, purpose=PURPOSE))
            rows = await repository.keys(conn)
    keys = tuple(ECKey.import_key(json.loads(open_record(keyring, sealed, purpose=PURPOSE))) for _, sealed, _ in rows)
    known = datetime.now(UTC) - AHEAD
    return SigningKeys(next((key for key, row in zip(keys, rows, strict=True) if row[2] < known), keys[-1]), keys)


def _current(rows: list[tuple[str, str, datetime]], signs_for: timedelta) -> bool:
    return bool(rows) and datetime.now(UTC) - rows[0][2] < signs_for


def _new() -> ECKey:
    key = ECKey.generate_key("P-256", private=True)
    key.ensure_kid()
    return ECKey.import_key({**key.as_dict(private=True), "use": "sig", "alg": ALGORITHM})
