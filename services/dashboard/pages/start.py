"""The first page: what this person's role does here, in plain sentences, with links to what there is to do now.

It stands above the board until they say that they know; under "Start here" it always stays.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from services.dashboard.needs import KEPT
from services.dashboard.pages.frame import done, live_of, show, staff_page
from services.dashboard.repository import greeted
from services.dashboard.repository.read_model import Work
from shared.http.auth import Staff
from shared.http.deps import ServiceDep
from shared.service import Service

router = APIRouter(prefix="/start", include_in_schema=False)
Anyone = Annotated[Staff, Depends(staff_page())]

ROLES = ("front_desk", "provider", "monitor", "operations", "auditor")


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do: `code` names its words, `counts` the open tasks that it is about."""

    code: str
    path: str
    counts: Callable[[Work], bool] | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A step as it stands now."""

    step: Step
    count: int


def _of(role: str) -> Callable[[Work], bool]:
    return lambda task: task.role == role


STEPS: dict[str, tuple[Step, ...]] = {
    "front_desk": (
        Step("needs", "/", _of("front_desk")),
        Step("call", "/call"),
        Step("contacts", "/contacts", lambda task: task.kind in KEPT and task.patient_id is None),
        Step("today", "/today"),
        Step("find", "/patients"),
    ),
    "provider": (
        Step("sign", "/tasks", lambda task: task.kind == "sign-decision"),
        Step("today", "/today"),
        Step("needs", "/", _of("provider")),
        Step("find", "/patients"),
    ),
    "monitor": (Step("today", "/today"), Step("needs", "/tasks", _of("monitor")), Step("find", "/patients")),
    "operations": (
        Step("needs", "/tasks", _of("operations")),
        Step("letters", "/letters"),
        Step("all", "/tasks?show_all=1", lambda _task: True),
        Step("board", "/"),
        Step("funnel", "/funnel"),
    ),
    "auditor": (Step("find", "/patients"), Step("all", "/tasks?show_all=1"), Step("board", "/")),
}


@router.get("")
async def start(request: Request, who: Anyone, service: ServiceDep) -> Response:
    """All of it, for each role that this person has."""
    await live_of(request).ready()
    return await show(
        request, who, "start.html", section="start", guide=guide(request, who), knows=await knows(service, who)
    )


@router.post("/known")
async def known(who: Anyone, service: ServiceDep) -> Response:
    """They know their way: no more first words above the board."""
    async with service.transaction(actor=who.actor) as uow:
        await greeted.know(uow.conn, who.id)
    return done("/")


@router.post("/again")
async def again(who: Anyone, service: ServiceDep) -> Response:
    """Show them above the board again."""
    async with service.transaction(actor=who.actor) as uow:
        await greeted.forget(uow.conn, who.id)
    return done("/")


async def knows(service: Service, who: Staff) -> bool:
    """Whether this person said so."""
    async with service.reading() as uow:
        return await greeted.knows(uow.conn, who.id)


def guide(request: Request, who: Staff) -> dict[str, list[Shown]]:
    """The steps of each role, with how many open tasks each is about."""
    work = live_of(request).work.values()

    def shown(step: Step) -> Shown:
        return Shown(step, sum(map(step.counts, work)) if step.counts else 0)

    return {role: [shown(step) for step in STEPS[role]] for role in ROLES if role in who.roles}
