"""The day: who comes when, in which room, to whom; the facts are scheduling's."""

from datetime import date, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from services.dashboard.calls import call
from services.dashboard.pages.booking_parts import appointment_of
from services.dashboard.pages.frame import done, live_of, pages_of, show, staff_page
from shared.http.auth import Staff

router = APIRouter(prefix="/today", include_in_schema=False)
Attendant = Annotated[Staff, Depends(staff_page("front_desk", "provider", "monitor"))]


@router.post("/{appointment_id}/no-show")
async def no_show(appointment_id: UUID, request: Request, who: Attendant) -> Response:
    """The patient did not come."""
    await call(request, who, "scheduling", "POST", f"/api/v1/appointments/{appointment_id}/no-show")
    return done("/today")


@router.get("")
async def today(request: Request, who: Attendant, day: date | None = None) -> Response:
    """One day by time: who, which room, which people."""
    live = live_of(request)
    await live.ready()
    shown = day or pages_of(request).dates(request).today
    found = await call(request, who, "scheduling", "GET", f"/api/v1/days/{shown.isoformat()}")
    return await show(
        request,
        who,
        "booking_day.html",
        section="today",
        day=shown,
        earlier=shown - timedelta(days=1),
        later=shown + timedelta(days=1),
        opening=[tuple(map(datetime.fromisoformat, span)) for span in found["opening"]],
        appointments=[appointment_of(request, one) for one in found["appointments"]],
        name=live.name,
        survivor=live.survivor,
    )
