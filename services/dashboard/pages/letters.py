"""Dead letters, for operations: what waits in which service, one letter with its reason, try again, let go.

The letters are the services' own: they are asked and told with the staff member's own token.
"""

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from services.dashboard.calls import call
from services.dashboard.pages.frame import done, errors, show, staff_page
from shared.contracts.topics import GROUPS
from shared.http import dead_letters
from shared.http.auth import Staff
from shared.http.deps import ServiceDep
from shared.http.problems import FieldProblem, Invalid, NotFound, Problem
from shared.inbox.letters import DeadLetter, OpenedLetter
from shared.service import Service

router = APIRouter(prefix="/letters")
Operations = Annotated[Staff, Depends(staff_page("operations"))]
PATH = "/api/v1/dead-letters"
SHORTEST_REASON = 3


@dataclass(frozen=True, slots=True)
class Held:
    """A letter and the service that holds it."""

    service: str
    letter: DeadLetter

    @property
    def event(self) -> str:
        """`LeadCreated`; empty where it is no event."""
        return self.letter.type.split(".")[2] if self.letter.type else ""

    @property
    def since(self) -> datetime:
        return self.letter.failed_at

    @property
    def path(self) -> str:
        return f"/letters/{self.service}/{self.letter.id}"


@router.get("")
async def letters(request: Request, who: Operations, service: ServiceDep) -> Response:
    """What waits in all services, oldest first; a service that does not answer is named."""
    found = await asyncio.gather(*(_of(request, service, who, name) for name in GROUPS))
    held = sorted((one for part in found if part is not None for one in part), key=lambda one: one.since)
    away = [name for name, part in zip(GROUPS, found, strict=True) if part is None]
    return await show(request, who, "letters.html", section="letters", held=held, away=away)


async def _of(request: Request, service: Service, who: Staff, name: str) -> list[Held] | None:
    """A service's letters; None where it does not answer. The dashboard's own lie here: it needs no call to itself."""
    try:
        if name == service.name:
            found = await dead_letters.listed(service, who)
        else:
            found = dead_letters.DeadLetters.model_validate(await call(request, who, name, "GET", PATH))
    except Problem:
        return None
    return [Held(name, letter) for letter in found.letters]


@router.get("/{holder}/{letter_id}")
async def letter(holder: str, letter_id: UUID, request: Request, who: Operations, service: ServiceDep) -> Response:
    """One letter: why, what is in it, what waits behind it."""
    return await _show(request, service, who, holder, letter_id)


@router.post("/{holder}/{letter_id}/replay")
async def replay(holder: str, letter_id: UUID, request: Request, who: Operations, service: ServiceDep) -> Response:
    """Have it tried again."""
    try:
        if _known(holder) == service.name:
            await dead_letters.replay(letter_id, service, who)
        else:
            await call(request, who, holder, "POST", f"{PATH}/{letter_id}/replay")
    except Problem as problem:
        return await _show(request, service, who, holder, letter_id, problem)
    return done(f"/letters/{holder}/{letter_id}")


@router.get("/{holder}/{letter_id}/drop")
async def ask_why(holder: str, letter_id: UUID, request: Request, who: Operations, service: ServiceDep) -> Response:
    """What letting it go means, and why it is done."""
    return await _show(request, service, who, holder, letter_id, template="letter_drop.html", reason="")


@router.post("/{holder}/{letter_id}/drop")
async def drop(holder: str, letter_id: UUID, request: Request, who: Operations, service: ServiceDep) -> Response:
    """Let it go, because."""
    reason = str((await request.form()).get("reason") or "").strip()
    try:
        if len(reason) < SHORTEST_REASON:
            raise Invalid(fields=[FieldProblem("reason", "Why is it let go?", "Write it in a few words.")])
        if _known(holder) == service.name:
            await dead_letters.drop(letter_id, dead_letters.LettingGo(reason=reason[:1_000]), service, who)
        else:
            await call(request, who, holder, "POST", f"{PATH}/{letter_id}/drop", json={"reason": reason[:1_000]})
    except Problem as problem:
        return await _show(
            request, service, who, holder, letter_id, problem, template="letter_drop.html", reason=reason
        )
    return done(f"/letters/{holder}/{letter_id}")


async def _show(
    request: Request,
    service: Service,
    who: Staff,
    holder: str,
    letter_id: UUID,
    problem: Problem | None = None,
    *,
    template: str = "letter.html",
    **context: Any,
) -> Response:
    found = await _one(request, service, who, _known(holder), letter_id)
    body = found.body
    return await show(
        request,
        who,
        template,
        status=problem.status if problem else 200,
        section="letters",
        held=Held(holder, found),
        body=body if body is None or isinstance(body, str) else json.dumps(body, indent=2, ensure_ascii=False),
        problem=problem,
        errors={"reason": "", **errors(problem)},
        **context,
    )


async def _one(request: Request, service: Service, who: Staff, name: str, letter_id: UUID) -> OpenedLetter:
    if name == service.name:
        return await dead_letters.one(letter_id, service, who)
    return OpenedLetter.model_validate(await call(request, who, name, "GET", f"{PATH}/{letter_id}"))


def _known(holder: str) -> str:
    if holder not in GROUPS:
        raise NotFound("There is no such part of the program.")
    return holder
