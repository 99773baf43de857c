"""What the pages about appointments share: a week of free times, an appointment in words, a refusal in words."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.requests import Request

from services.dashboard.calls import call
from services.dashboard.pages.frame import pages_of, words_of
from shared.clinic import Clinic
from shared.http.auth import Staff
from shared.http.problems import Problem

WEEK = 7


@dataclass(frozen=True, slots=True)
class Time:
    """A time that can be had, and with whom."""

    at: datetime
    value: str
    providers: tuple[str, ...]


async def week_of(
    request: Request, who: Staff, first: date | None, query: dict[str, str], now: str = ""
) -> dict[str, Any]:
    """A week of offers by local day. It begins today at the earliest; without a date with the first free time."""
    today = pages_of(request).dates(request).today
    begin = max(first or today, today)
    found = await _offers(request, who, begin, WEEK, query, now)
    if not found and first is None:
        ahead = await _offers(request, who, begin, clinic_of(request).appointments.consultation.offer_days, query, now)
        if ahead:
            begin = ahead[0].at.date()
            found = await _offers(request, who, begin, WEEK, query, now)
    return {
        "days": [(day, list(times)) for day, times in groupby(found, key=lambda time: time.at.date())],
        "first": begin,
        "earlier": max(begin - timedelta(days=WEEK), today) if begin > today else None,
        "later": begin + timedelta(days=WEEK),
    }


async def _offers(request: Request, who: Staff, begin: date, days: int, query: dict[str, str], now: str) -> list[Time]:
    """Free times from a day on, without the time `now` at which the appointment takes place already."""
    asked = urlencode({**query, "from": begin.isoformat(), "days": days})
    found = await call(request, who, "scheduling", "GET", f"/api/v1/offers?{asked}")
    return [
        Time(datetime.fromisoformat(one["starts_at"]), one["starts_at"], tuple(one["provider_ids"]))
        for one in found["offers"]
        if one["starts_at"] != now
    ]


def appointment_of(request: Request, found: dict[str, Any]) -> dict[str, Any]:
    say = words_of(request)
    return {
        **found,
        "at": datetime.fromisoformat(found["starts_at"]),
        "until": datetime.fromisoformat(found["ends_at"]),
        "person_id": UUID(found["patient_id"]),
        "people": ", ".join(say.who(one) for one in (found["provider_id"], found["monitor_id"]) if one),
    }


def said_of(request: Request, problem: Problem | None) -> tuple[str, str]:
    """Why not, and more of it. What scheduling says in English is shown in English only, where we have other words."""
    if problem is None:
        return "", ""
    pages = pages_of(request)
    language, key = pages.language(request), f"booking.problem_{problem.code}"
    sentences = [one.message for one in problem.fields] or [problem.text]
    more = " ".join(filter(None, (*sentences, problem.remedy)))
    if not pages.texts.has(language, key):
        return problem.title, more
    return pages.t(request, key), more if language == "en" else ""


def page_link(first: date, **choice: str) -> str:
    """The link to the same page, beginning on that day."""
    return "?" + urlencode({**choice, "from": first.isoformat()})


def clinic_of(request: Request) -> Clinic:
    clinic: Clinic = request.app.state.service.clinic
    return clinic
