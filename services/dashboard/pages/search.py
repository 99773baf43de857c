"""Finding people by name, number, address or date of birth; every search is audited, also those made while typing.

What was typed never stands in an address: the form is sent, and the address of what was found holds it sealed for the
person who asked, so that going back and looking again work.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Annotated
from urllib.parse import urlencode

from babel.dates import get_month_names
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from services.dashboard import finding
from services.dashboard.domain.facts import Patient
from services.dashboard.domain.sought import Sought, read
from services.dashboard.live import Person, opened, plain
from services.dashboard.pages.board import Placed, place
from services.dashboard.pages.frame import done, live_of, pages_of, show, staff_page
from shared.audit import audit
from shared.clinic import Clinic
from shared.http.auth import Staff
from shared.http.deps import ServiceDep
from shared.http.problems import Invalid
from shared.security.sealing import Box, Unsealable, open_record, seal_record
from shared.service import Service

router = APIRouter()
Clinical = Annotated[Staff, Depends(staff_page("front_desk", "provider", "monitor", "auditor"))]
PURPOSE = "search"
LONGEST = 100
MOST = 30
AT_A_GLANCE = 8
SHORTEST = 2
"""Letters from which on something is found while typing."""
MONTH_FIRST = frozenset({"US", "PH", "FM", "PW"})
"""Where people write the month before the day."""


@dataclass(frozen=True, slots=True)
class Found:
    """Somebody who may be meant, with what tells them apart from their namesakes. `phone` is E.164."""

    placed: Placed
    phone: str
    email: str
    born: date | None


@router.post("/patients")
async def ask(request: Request, who: Clinical, service: ServiceDep) -> Response:
    """The search box."""
    text = str((await request.form()).get("q") or "").strip()
    if len(text) > LONGEST:
        raise Invalid("That is too much to look for.", remedy="Write a name, a number or a date of birth.")
    if not text:
        return done("/patients")
    sealed = seal_record(service.keyring, json.dumps([who.id, text]).encode(), purpose=PURPOSE)
    return done("/patients?" + urlencode({"found": sealed}))


@router.post("/patients/found")
async def while_typing(request: Request, who: Clinical, service: ServiceDep) -> Response:
    """The first whom the search box would find, as options of its list; nothing of it stands in an address."""
    text = str((await request.form()).get("q") or "").strip()
    await live_of(request).ready()
    people: list[Found] = []
    if SHORTEST <= len(text) <= LONGEST:
        people = await find(request, service, who, text, most=AT_A_GLANCE + 1, typing=True)
    return await show(request, who, "_found.html", found=people[:AT_A_GLANCE], more=len(people) > AT_A_GLANCE)


@router.get("/patients")
async def search(
    request: Request,
    who: Clinical,
    service: ServiceDep,
    found: Annotated[str, Query(max_length=2_000)] = "",
) -> Response:
    """Whom the search found. `found` is what was looked for, sealed."""
    await live_of(request).ready()
    text = _asked(service, who, found)
    people = await find(request, service, who, text, most=MOST + 1) if text else []
    more = len(people) > MOST
    return await show(request, who, "patients.html", section="patients", q=text, found=people[:MOST], more=more)


def _asked(service: Service, who: Staff, sealed: str) -> str:
    """What this person looked for; nothing where it is not theirs, or from before the clinic changed its key."""
    if not sealed:
        return ""
    try:
        asker, text = json.loads(open_record(service.keyring, sealed, purpose=PURPOSE))
    except (Unsealable, KeyError):
        return ""
    return str(text) if asker == who.id else ""


async def find(
    request: Request, service: Service, who: Staff, text: str, *, most: int, typing: bool = False
) -> list[Found]:
    """Whom these words mean, at most so many; on record."""
    live, today = live_of(request), pages_of(request).dates(request).today
    clinic = service.clinic
    sought = read(text, today=today, month_first=clinic.country in MONTH_FIRST, months=_months(clinic))
    async with service.transaction(actor=who.actor) as uow:
        hits = await finding.find(uow, sought)
        exact = {live.survivor(one) for one in hits}
        people = [live.people[one] for one in exact if one in live.people]
        people.sort(key=lambda one: one.plain)
        people = [*people, *(one for one in live.find(text, most + len(exact)) if one.patient_id not in exact)][:most]
        boxes = await uow.keys.boxes([one.patient_id for one in people])
        detail = {"found": len(people), "patients": [str(one.patient_id) for one in people], "typing": typing}
        await audit(uow, action="search", what=_what(sought), subject=None, detail=detail)
    now = service.clock.now()
    return [_shown(place(one, now), one, boxes.get(one.patient_id)) for one in people]


def _what(sought: Sought) -> str:
    kinds = {"phones": sought.end, "births": sought.births, "addresses": sought.email}
    return ", ".join(name for name, asked in kinds.items() if asked) or "names"


def _shown(placed: Placed, person: Person, box: Box | None) -> Found:
    known: Patient = person.patient
    contact = json.loads(opened(box, known.intake.contact) or "{}")
    born = opened(box, known.intake.date_of_birth)
    return Found(
        placed,
        str(contact.get("phone") or ""),
        str(contact.get("email") or ""),
        date.fromisoformat(born) if born else None,
    )


def _months(clinic: Clinic) -> Mapping[str, int]:
    return _names_of_months(("en", *clinic.languages))


@lru_cache(maxsize=8)
def _names_of_months(languages: tuple[str, ...]) -> dict[str, int]:
    names: dict[str, int] = {}
    for language in languages:
        for width in ("wide", "abbreviated"):
            for number, name in get_month_names(width, locale=language).items():
                names.setdefault(plain(name).rstrip("."), number)
                names.setdefault(name.lower().rstrip("."), number)
    return names
