"""The day: rooms and people from morning to evening; the facts are scheduling's."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from services.dashboard.calls import call
from services.dashboard.domain.day import STEP, Away, By, Session, Visit, grid
from services.dashboard.pages.booking_parts import clinic_of
from services.dashboard.pages.frame import done, live_of, pages_of, show, staff_page, words_of
from shared.clinic import Clinic
from shared.http.auth import Staff

router = APIRouter(prefix="/today", include_in_schema=False)
Attendant = Annotated[Staff, Depends(staff_page("front_desk", "provider", "monitor"))]
Shown = Annotated[date | None, Query(ge=date(2001, 1, 1), le=date(2199, 12, 31))]


@router.post("/{appointment_id}/no-show")
async def no_show(appointment_id: UUID, request: Request, who: Attendant) -> Response:
    """The patient did not come."""
    await call(request, who, "scheduling", "POST", f"/api/v1/appointments/{appointment_id}/no-show")
    return done("/today")


@router.get("")
async def today(request: Request, who: Attendant, day: Shown = None, by: By = "rooms") -> Response:
    """One day, as a grid on a desk, as a list on a phone and on paper."""
    await live_of(request).ready()
    return await show(request, who, "day.html", section="today", **await _parts(request, who, day, by))


@router.get("/parts")
async def parts(request: Request, who: Attendant, day: Shown = None, by: By = "rooms") -> Response:
    """What changes of it, for the open page."""
    return await show(request, who, "_day.html", **await _parts(request, who, day, by))


async def _parts(request: Request, who: Staff, asked: date | None, by: By) -> dict[str, Any]:
    live, dates, clinic = live_of(request), pages_of(request).dates(request), clinic_of(request)
    day = asked or dates.today
    found = await call(request, who, "scheduling", "GET", f"/api/v1/days/{day.isoformat()}")
    visits = [_visit(one) for one in found["appointments"]]
    away = away_on(clinic, day, found["away"])
    drawn = grid(clinic, day, visits, by, away)
    return {
        "day": day,
        "by": by,
        "opening": [tuple(map(datetime.fromisoformat, span)) for span in found["opening"]],
        "because": found["closed_because"],
        "visits": visits,
        "grid": drawn,
        "away": away,
        "roles": who.roles,
        "alone": {visit.id: one for one in away for visit in visits if visit.id in one.in_the_way},
        "now_at": drawn.minute(dates.now, clinic) if day == dates.today else None,
        "people": {visit.id: _people(request, visit) for visit in visits},
        "name": live.name,
        "survivor": live.survivor,
        "link": lambda ahead=0, view=by: "/today?" + urlencode({"day": day + timedelta(days=ahead), "by": view}),
        "place": _place,
        "tall": _tall,
    }


def away_on(clinic: Clinic, day: date, found: Sequence[dict[str, Any]]) -> list[Away]:
    """Who is away on a day, as far as it is that day's."""
    begin, end = (datetime.combine(day + timedelta(days=ahead), time(), clinic.tz) for ahead in (0, 1))
    return [
        Away(
            UUID(one["id"]),
            one["person_id"],
            max(datetime.fromisoformat(one["starts_at"]).astimezone(clinic.tz), begin),
            min(datetime.fromisoformat(one["ends_at"]).astimezone(clinic.tz), end),
            frozenset(map(UUID, one["in_the_way"])),
        )
        for one in found
    ]


def _visit(found: dict[str, Any]) -> Visit:
    session = found["session"]
    return Visit(
        id=UUID(found["id"]),
        patient_id=UUID(found["patient_id"]),
        state=found["state"],
        at=datetime.fromisoformat(found["starts_at"]),
        until=datetime.fromisoformat(found["ends_at"]),
        mode=found["mode"],
        provider_id=found["provider_id"],
        monitor_id=found["monitor_id"],
        room_id=found["room_id"],
        session=session
        and Session(
            session["route"],
            session["number"],
            session["of"],
            datetime.fromisoformat(session["dose_at"]),
            datetime.fromisoformat(session["room_until"]),
        ),
    )


def _people(request: Request, visit: Visit) -> str:
    say = words_of(request)
    present: Sequence[str | None] = (visit.provider_id, visit.monitor_id)
    return ", ".join(say.who(one) for one in present if one)


def _place(minutes: int) -> str:
    """The classes that put something so many minutes down: a page may not say so in a style of its own."""
    return f"h{minutes // 60} m{minutes % 60 // STEP}"


def _tall(minutes: int) -> str:
    """The classes that make something last so long."""
    return f"hh{minutes // 60} mm{minutes % 60 // STEP}"
