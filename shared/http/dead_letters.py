"""A service's dead letters over HTTP, for operations: what waits, what is in one, try it again or let it go."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shared.http.auth import Staff, staff
from shared.http.deps import ServiceDep
from shared.http.problems import Conflict, NotFound
from shared.inbox import letters
from shared.inbox.letters import DeadLetter, Decision, OpenedLetter
from shared.service import Service

router = APIRouter(prefix="/api/v1/dead-letters", tags=["dead letters"])
Operations = Annotated[Staff, Depends(staff("operations"))]


class DeadLetters(BaseModel):
    """The oldest first; at most 200."""

    letters: list[DeadLetter]


class LettingGo(BaseModel):
    """Why it is let go, in plain words."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, StringConstraints(strip_whitespace=True), Field(min_length=3, max_length=1_000)]


@router.get("")
async def listed(service: ServiceDep, _who: Operations) -> DeadLetters:
    """What waits here for a decision."""
    async with service.reading() as uow:
        return DeadLetters(letters=await letters.waiting(uow.conn, service.keyring))


@router.get("/{letter_id}")
async def one(letter_id: UUID, service: ServiceDep, who: Operations) -> OpenedLetter:
    """One letter with its content; the look is on record."""
    async with service.transaction(actor=who.actor) as uow:
        found = await letters.look(uow.conn, service.keyring, letter_id, actor=who.actor)
    if found is None:
        raise NotFound("There is no such dead letter here.")
    return found


@router.post("/{letter_id}/replay", status_code=204)
async def replay(letter_id: UUID, service: ServiceDep, who: Operations) -> None:
    """Apply it again, within seconds. If it fails again it stays, with the new reason."""
    await _decide(service, who, letter_id, "replay")


@router.post("/{letter_id}/drop", status_code=204)
async def drop(letter_id: UUID, body: LettingGo, service: ServiceDep, who: Operations) -> None:
    """Go past it for good: what waits behind it is applied without it."""
    await _decide(service, who, letter_id, "drop", because=body.reason)


async def _decide(service: Service, who: Staff, letter_id: UUID, wanted: Decision, because: str = "") -> None:
    async with service.transaction(actor=who.actor) as uow:
        done = await letters.decide(uow.conn, service.keyring, letter_id, wanted, actor=who.actor, because=because)
    if not done:
        raise Conflict("It was settled already, or there is no such dead letter here.")
