"""Who said that they know their way: the board's first words are for the others."""

import asyncpg

KNOWS = "select exists (select from greeted where person_id = $1)"
KNOW = "insert into greeted (person_id) values ($1) on conflict do nothing"
FORGET = "delete from greeted where person_id = $1"


async def knows(conn: asyncpg.Connection, person: str) -> bool:
    """Whether this member of staff said so."""
    found: bool = await conn.fetchval(KNOWS, person)
    return found


async def know(conn: asyncpg.Connection, person: str) -> None:
    """They said so, on whatever machine."""
    await conn.execute(KNOW, person)


async def forget(conn: asyncpg.Connection, person: str) -> None:
    """They want the first words back."""
    await conn.execute(FORGET, person)
