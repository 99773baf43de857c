"""A service's dead letters over HTTP, for operations: what waits, what is in one, try it again or let it go."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shared.http.auth import Staff, staff
from shared.http.deps import ServiceDep
from shared.http.problems import Conflict, NotFound
from shared.inbox import letters
from shared.inbox.letters import Decision, Letter
from shared.service import Service

router = APIRouter(prefix="/api/v1/dead-letters", tags=["dead letters"])
Operations = Annotated[Staff, Depends(staff("operations"))]


class DeadLetter(BaseModel):
    """What a service could not use. `source` to `type` are null where it is no event.

    `wanted` (`replay`, `drop`) is what somebody decided and the service has not done yet; `note` says that it failed
    again since.
    """

    id: UUID
    failed_at: datetime
    source: str | None
    subject: UUID | None
    sequence: int | None
    type: str | None
    reason: str
    error: str
    topic: str
    partition: int
    offset: int
    wanted: str | None
    wanted_by: str | None
    note: str | None
    because: str | None


class DeadLetters(BaseModel):
    """The oldest first; at most 200."""

    letters: list[DeadLetter]


class OpenedLetter(DeadLetter):
    """With what is in it: `body` is JSON in which sealed words stay sealed, or text; null where it isn't shown.

    `size` is in bytes; `waiting` counts the events of the same subject that wait behind it; `resolution` (`replayed`,
    `dropped`) is null while it waits.
    """

    key: str
    headers: dict[str, str]
    body: Any
    size: int
    waiting: int
    resolution: str | None


class LettingGo(BaseModel):
    """Why it is let go, in plain words."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, StringConstraints(strip_whitespace=True), Field(min_length=3, max_length=1_000)]


@router.get("")
async def listed(service: ServiceDep, _who: Operations) -> DeadLetters:
    """What waits here for a decision."""
    async with service.reading() as uow:
        found = await letters.waiting(uow.conn, service.keyring)
    return DeadLetters(letters=[DeadLetter(**_fields(one)) for one in found])


@router.get("/{letter_id}")
async def one(letter_id: UUID, service: ServiceDep, who: Operations) -> OpenedLetter:
    """One letter with its content; the look is on record."""
    async with service.transaction(actor=who.actor) as uow:
        found = await letters.look(uow.conn, service.keyring, letter_id, actor=who.actor)
    if found is None:
        raise NotFound("There is no such dead letter here.")
    return OpenedLetter(
        **_fields(found.letter),
        key=found.key,
        headers=found.headers,
        body=found.body,
        size=found.size,
        waiting=found.waiting,
        resolution=found.resolution,
    )


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


def _fields(letter: Letter) -> dict[str, Any]:
    return {name: getattr(letter, name) for name in DeadLetter.model_fields}
