"""Finding people by name: all of them are known by name in memory, and every search is audited."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from services.dashboard.pages.board import place
from services.dashboard.pages.frame import live_of, show, staff_page
from shared.audit import audit
from shared.http.auth import Staff
from shared.http.deps import ServiceDep

router = APIRouter()
Clinical = Annotated[Staff, Depends(staff_page("front_desk", "provider", "monitor", "auditor"))]


@router.get("/patients")
async def search(
    request: Request, who: Clinical, service: ServiceDep, q: Annotated[str, Query(max_length=100)] = ""
) -> Response:
    """People whose name holds the words of `q`."""
    live = live_of(request)
    await live.ready()
    found = live.find(q)
    if q:
        async with service.transaction(actor=who.actor) as uow:
            await audit(uow, action="search", what="names", subject=None, detail={"found": len(found)})
    now = service.clock.now()
    return await show(
        request, who, "patients.html", section="patients", q=q, found=[place(live, person, now) for person in found]
    )
