"""Patients' links: random, single-purpose, expiring.

The promise: a link opens one purpose for one subject until it expires; only its hash is stored; looking at it changes
nothing. Expiry is business time, like what the link is about, so the caller passes `now`.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from shared.http.problems import Gone, NotFound
from shared.security.tokens import digest, looks_like_link, new_token
from shared.uow import UnitOfWork

ISSUE = "insert into links (hash, purpose, subject, data, expires_at) values ($1, $2, $3, $4::jsonb, $5)"
FIND = "select subject, data, expires_at from links where hash = $1 and purpose = $2"
REVOKE = "delete from links where subject = $1 and purpose = $2"


@dataclass(frozen=True, slots=True)
class Link:
    """What a good token stands for. `data` holds ids and codes only."""

    subject: UUID
    data: dict[str, Any]
    expires_at: datetime


async def issue(
    uow: UnitOfWork, *, purpose: str, subject: UUID, expires_at: datetime, data: dict[str, Any] | None = None
) -> str:
    """A new token of 22 characters; it can't be had again. `data` is stored readably: ids and codes only."""
    token = new_token()
    await uow.conn.execute(ISSUE, digest(token), purpose, subject, json.dumps(data or {}), expires_at)
    return token


async def find(conn: asyncpg.Connection, token: str, *, purpose: str, now: datetime) -> Link:
    """What the token stands for.

    Raises:
        NotFound: there is no such link for this purpose. Gone: it has expired.
    """
    row = await conn.fetchrow(FIND, digest(token), purpose) if looks_like_link(token) else None
    if row is None:
        raise NotFound(
            "This link doesn't lead anywhere.",
            code="link_unknown",
            title="We don't know this link",
            remedy="Open the link from our latest message again, or call the clinic.",
        )
    if row["expires_at"] <= now:
        raise Gone(
            "Links work for a limited time, to protect you.",
            code="link_expired",
            title="This link has expired",
            remedy="Call the clinic and we will send a new one.",
        )
    return Link(row["subject"], json.loads(row["data"]), row["expires_at"])


async def revoke(uow: UnitOfWork, *, purpose: str, subject: UUID) -> None:
    """End all links of a subject for a purpose."""
    await uow.conn.execute(REVOKE, subject, purpose)
