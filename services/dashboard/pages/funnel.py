"""The funnel: how many come how far, by the door they came in, and how long it takes. From the read model alone."""

from datetime import datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from services.dashboard.domain.funnel import Journey, Times, by_source, journey, steps
from services.dashboard.live import Live
from services.dashboard.pages.frame import live_of, show, staff_page
from services.dashboard.repository import read_model as repository
from shared.http.auth import Staff
from shared.http.deps import ServiceDep
from shared.service import Service

router = APIRouter()
Anyone = Annotated[Staff, Depends(staff_page())]
Period = Literal["30", "90", "365", "all"]
PERIODS: tuple[Period, ...] = ("30", "90", "365", "all")


@router.get("/funnel")
async def funnel(
    request: Request,
    who: Anyone,
    service: ServiceDep,
    days: Period = "90",
    source: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """Those whose first contact was in the last `days`; of one `source`, where it is named."""
    live, now = live_of(request), service.clock.now()
    await live.ready()
    since = None if days == "all" else now - timedelta(days=int(days))
    everybody = [it for it in await _journeys(service, live, now) if since is None or it.began >= since]
    sources = by_source(everybody)
    chosen = source if source in sources else ""
    return await show(
        request,
        who,
        "funnel.html",
        section="funnel",
        days=days,
        periods=PERIODS,
        source=chosen,
        steps=sources[chosen] if chosen else steps(everybody),
        sources=sources,
        count=sum(1 for it in everybody if not chosen or it.channel == chosen),
        link=lambda days=days, source=chosen: "/funnel?" + urlencode({"days": days, "source": source}),
    )


async def _journeys(service: Service, live: Live, now: datetime) -> list[Journey]:
    async with service.reading() as uow:
        rows = await repository.milestones(uow.conn)
    told: dict[UUID, dict[str, Times]] = {}
    for patient, type_, times in rows:
        theirs = told.setdefault(live.survivor(patient), {})
        theirs[type_] = theirs[type_].with_(times) if type_ in theirs else times
    found = (journey(live.people[key].patient, times, now) for key, times in told.items() if key in live.people)
    return [it for it in found if it is not None]
