"""The patient's page of the day after: how they are, what they feel, how strongly, since when. No JavaScript needed."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.notifications.domain.wellbeing import EFFECTS, SINCE, STRENGTHS, Wellbeing
from services.notifications.handlers import aftercare
from services.notifications.handlers.preparing import LONGEST_NOTE
from services.notifications.handlers.reaching import AFTER
from services.notifications.repository import visits
from services.notifications.rows import VisitRow
from shared.http import links
from shared.http.access import LINK
from shared.http.deps import ServiceDep
from shared.http.problems import NotFound
from shared.http.ratelimit import limit
from shared.uow import UnitOfWork

router = APIRouter(include_in_schema=False, dependencies=[Depends(LINK), Depends(limit("after-page", per_minute=120))])
ACTOR = "patient"
_SAID = frozenset({"well", "mild", "unwell", "severe"})


@router.get("/s/{token}")
async def page(request: Request, token: str, service: ServiceDep, said: str = "") -> Response:
    """How are you? Looking changes nothing."""
    async with service.reading() as uow:
        visit = await _visit(uow, token)
    return _render(request, token, visit, said=said if said in _SAID else "")


@router.post("/s/{token}")
async def report(
    request: Request,
    token: str,
    service: ServiceDep,
    how: Annotated[str, Form(pattern="^(well|unwell)?$")] = "",
    since: Annotated[str, Form(max_length=16)] = "",
    words: Annotated[str, Form(max_length=8_000)] = "",
) -> Response:
    """Their answer. Somebody severe reads at once what to do."""
    form = await request.form(max_files=0, max_fields=100)
    given = {effect: str(form.get(effect, "")) for effect in EFFECTS}
    felt = {effect: strength for effect in EFFECTS for strength in STRENGTHS if given[effect] == strength}
    async with service.transaction(actor=ACTOR) as uow:
        visit = await _visit(uow, token)
        if not how and not felt and not words.strip():
            return _render(request, token, visit, wrong=True, status=422)
        wellbeing = Wellbeing(
            well=how == "well",
            felt=felt,
            since=since if since in SINCE else None,
            words=words.strip()[:LONGEST_NOTE],
        )
        await aftercare.report(uow, visit, wellbeing)
    return RedirectResponse(f"/s/{token}?said={wellbeing.meaning}", 303)


async def _visit(uow: UnitOfWork, token: str) -> VisitRow:
    """The session that took place."""
    link = await links.find(uow.conn, token, purpose=AFTER, now=uow.now)
    visit = await visits.find(uow.conn, UUID(str(link.data["visit"])))
    if visit is None or visit.state != "done":
        raise NotFound("This visit has not taken place.", remedy="Open the link from our latest message again.")
    return visit


def _render(request: Request, token: str, visit: VisitRow, *, status: int = 200, **context: Any) -> Response:
    shown: Response = request.app.state.pages.render(
        request,
        "after.html",
        status=status,
        token=token,
        visit=visit,
        effects=EFFECTS,
        **{"said": "", "wrong": False, **context},
    )
    return shown
