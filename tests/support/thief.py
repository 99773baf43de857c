"""Somebody who has all of it, tables and topics and the clinic's key file: what can they still read?"""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from uuid import UUID

import asyncpg

from shared.contracts.base import WrappedKey
from shared.security.keyring import Keyring
from shared.security.sealing import Box, Unsealable, open_record

SEALED = re.compile(rb"s1\.[A-Za-z0-9_-]{30,}")
RECORDS = re.compile(rb"r1\.[a-z0-9_-]+\.[A-Za-z0-9_-]{30,}")
WRAPPED = re.compile(rb'"kid":\s*"([^"]+)",\s*"wrapped":\s*"([^"]+)"|"wrapped":\s*"([^"]+)",\s*"kid":\s*"([^"]+)"')
IDS = re.compile(rb"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
PURPOSES = ("records", "staff-sessions", "submissions")
KEYS = "select subject, kid, wrapped from {schema}.patient_keys"


def opened(keyring: Keyring, places: Iterable[tuple[str, bytes]], keys: Iterable[tuple[UUID, bytes]]) -> list[bytes]:
    """Everything that opens with the clinic's keys and what is found beside it."""
    content = b"\n".join(raw for _, raw in places)
    records = list(_records(keyring, content))
    content = b"\n".join([content, *records])
    boxes = [Box(subject, key) for subject, key in {*keys, *_wrapped(keyring, content)}]
    sealed = {found.group().decode() for found in SEALED.finditer(content)}
    return [*records, *(text for one in sealed for text in _texts(boxes, one))]


async def keys_in(conn: asyncpg.Connection, keyring: Keyring, schemas: Iterable[str]) -> list[tuple[UUID, bytes]]:
    """The data keys that the services hold."""
    found = []
    for schema in schemas:
        for row in await conn.fetch(KEYS.format(schema=schema)):
            wrapped = WrappedKey(kid=row["kid"], wrapped=row["wrapped"])
            found.append((row["subject"], keyring.unwrap(row["subject"], wrapped)))
    return found


def _wrapped(keyring: Keyring, content: bytes) -> Iterator[tuple[UUID, bytes]]:
    """Keys that stand in events: each is bound to its subject, so every id that is seen is tried."""
    subjects = {UUID(found.group().decode()) for found in IDS.finditer(content)}
    pairs = {(f[1] or f[4], f[2] or f[3]) for f in WRAPPED.finditer(content)}
    for kid, wrapped in pairs:
        key = WrappedKey(kid=kid.decode(), wrapped=wrapped.decode())
        for subject in subjects:
            try:
                yield subject, keyring.unwrap(subject, key)
            except Unsealable:
                continue
            break


def _records(keyring: Keyring, content: bytes) -> Iterator[bytes]:
    for found in RECORDS.finditer(content):
        for purpose in PURPOSES:
            try:
                record = open_record(keyring, found.group().decode(), purpose=purpose)
            except Unsealable:
                continue
            yield record
            yield from _values(record)


def _values(record: bytes) -> Iterator[bytes]:
    """What a dead letter carried."""
    try:
        letter = json.loads(record)
        yield base64.b64decode(letter["value"])
    except (ValueError, KeyError, TypeError):
        return


def _texts(boxes: Iterable[Box], sealed: str) -> Iterator[bytes]:
    for box in boxes:
        try:
            yield box.open(sealed).encode()
        except Unsealable:
            continue
