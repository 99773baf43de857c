"""Who said that they know their way: the board's first words are for the others."""

from shared.uow import UnitOfWork

KNOWS = "select exists (select from greeted where person_id = $1)"
KNOW = "insert into greeted (person_id) values ($1) on conflict do nothing"
FORGET = "delete from greeted where person_id = $1"


async def knows(uow: UnitOfWork, person: str) -> bool:
    """Whether this member of staff said so."""
    found: bool = await uow.conn.fetchval(KNOWS, person)
    return found


async def know(uow: UnitOfWork, person: str) -> None:
    """They said so, on whatever machine."""
    await uow.conn.execute(KNOW, person)


async def forget(uow: UnitOfWork, person: str) -> None:
    """They want the first words back."""
    await uow.conn.execute(FORGET, person)
