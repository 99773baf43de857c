"""One patient: what is next and why, the story in plain sentences, and what must be true before the next session."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from services.dashboard.calls import call
from services.dashboard.domain.board import card
from services.dashboard.domain.facts import Appointment, Approval, Patient
from services.dashboard.domain.phrase import phrase
from services.dashboard.domain.ready import course_of, ready_for
from services.dashboard.domain.story import Line, line
from services.dashboard.live import opened
from services.dashboard.needs import needs, recorded
from services.dashboard.pages.frame import done, live_of, pages_of, show, staff_page, words_of
from services.dashboard.repository import read_model as repository
from services.dashboard.repository.read_model import Told
from shared.audit import audit
from shared.http.auth import Staff
from shared.http.deps import ServiceDep
from shared.http.problems import NotFound, Problem
from shared.security.sealing import Box
from shared.service import Service

router = APIRouter(prefix="/patients")
Clinical = Annotated[Staff, Depends(staff_page("front_desk", "provider", "monitor", "auditor"))]
STORY_LIMIT = 300
LONGEST_STORY = 19_200
"""So many lines are shown at first, four times as many with each press, and that many at most."""
Lines = Annotated[int, Query(ge=1, le=LONGEST_STORY)]
CLIP = 240
SPARE = 160
"""Long words are cut, and the rest a click away; but not for so little more."""
# A patient's link opens the patient's page: staff read that there was one, not the key to it.
LINK = re.compile(r"(https?://\S+/)[A-Za-z0-9_-]{22}\b")


@dataclass(frozen=True, slots=True)
class Spoken:
    """A line of the story, ready to read. `key` names it for the swap in place."""

    key: str
    at: datetime
    line: Line
    who: str
    said: str
    more: str = ""
    listen: str = ""


@router.get("/{patient_id}")
async def patient(
    patient_id: UUID, request: Request, who: Clinical, service: ServiceDep, lines: Lines = STORY_LIMIT
) -> Response:
    """The page; a contact that was merged leads to the person they are."""
    live = live_of(request)
    await live.ready()
    survivor = live.survivor(patient_id)
    if survivor != patient_id:
        return done(f"/patients/{survivor}")
    context = await _context(request, service, who, patient_id, lines, renewed=False)
    return await show(request, who, "patient.html", section="board", **context)


@router.get("/{patient_id}/parts")
async def parts(
    patient_id: UUID, request: Request, who: Clinical, service: ServiceDep, lines: Lines = STORY_LIMIT
) -> Response:
    """What changes of it, for the open page."""
    context = await _context(request, service, who, patient_id, lines, renewed=True)
    return await show(request, who, "_patient.html", **context)


@router.get("/{patient_id}/planned")
async def planned(patient_id: UUID, request: Request, who: Clinical) -> Response:
    """The messages that will go out, as the service that sends them says; asked for after the page is there."""
    try:
        plan = await call(request, who, "notifications", "GET", f"/api/v1/patients/{patient_id}/messages")
    except Problem:
        return await show(request, who, "_planned.html", planned=None)
    ahead = [_planned(message) for message in plan["messages"] if message["state"] in {"planned", "ready"}]
    return await show(request, who, "_planned.html", planned=sorted(ahead, key=lambda it: it["at"]))


def _planned(message: dict[str, Any]) -> dict[str, Any]:
    return {
        "at": datetime.fromisoformat(str(message["due_at"])),
        "kind": phrase(f"message.{message['kind']}"),
        "channel": phrase(f"by.{message['channel']}"),
    }


async def _context(
    request: Request, service: Service, who: Staff, patient_id: UUID, lines: int, *, renewed: bool
) -> dict[str, Any]:
    live = live_of(request)
    await live.ready()
    family = live.family(patient_id)
    async with service.transaction(actor=who.actor) as uow:
        said = await repository.facts_by_patient(uow.conn, family)
        known = {one: repository.patient_of(one, kept) for one, kept in said.items()}
        if patient_id not in known and not any(one in family for one in live.people):
            raise NotFound("Nobody with this id is on the board.", remedy="Go back to the board.")
        boxes = await uow.keys.boxes(family)
        told = await repository.story(uow.conn, family, lines + 1)
        readers = await repository.readers(uow.conn, patient_id)
        merged = await repository.merged(uow.conn, patient_id) if len(family) > 1 else {}
        await audit(uow, action="read", what="patient-page", subject=patient_id, detail={"renewed": renewed})
    person = live.people.get(patient_id)
    facts = known.get(patient_id, Patient(patient_id=patient_id))
    for absorbed in sorted(family - {patient_id}):
        if absorbed in known:
            facts = facts.joined(known[absorbed])
    now = service.clock.now()
    box = boxes.get(patient_id)
    return {
        "patient_id": patient_id,
        "facts": facts,
        "name": opened(box, facts.intake.name),
        "contact": _contact(facts, box),
        "merged": [
            (one, _called(known[one], boxes.get(one)), at, words_of(request).actor(actor))
            for one, (at, actor) in sorted(merged.items(), key=lambda it: it[1])
            if live.aliases.get(one) == patient_id and one in known
        ],
        "card": card(facts, now) if person else None,
        "days": _days(request, told[:lines], boxes),
        "lines": lines,
        "older": min(4 * lines, LONGEST_STORY) if lines < min(len(told), LONGEST_STORY) else 0,
        "course": course_of(facts),
        "ready": ready_for(facts, now, _escort(facts, box)),
        "ahead": sorted(_ahead(facts, now), key=lambda it: it[1].starts_at),
        "approval": _signable(facts.assessment.approval),
        "needs": needs(live, words_of(request), (it for it in live.work.values() if it.patient_id in family), now),
        "readers": [reader for reader in readers if reader[0] != who.id],
    }


def _ahead(facts: Patient, now: datetime) -> list[tuple[UUID, Appointment]]:
    """What is booked and has not begun to be held."""
    every = facts.scheduling.appointments.items()
    return [(key, it) for key, it in every if it.standing == "booked" and it.ends_at > now]


def _signable(approval: Approval | None) -> Approval | None:
    return approval if approval and approval.ended is None else None


def _contact(facts: Patient, box: Box | None) -> dict[str, str]:
    found = box.open_json(facts.intake.contact) if box and facts.intake.contact else {}
    phone, email = str(found.get("phone") or ""), str(found.get("email") or "")
    return {"phone": phone, "email": email}


def _called(facts: Patient, box: Box | None) -> str:
    """What somebody is told apart by: their name, else how they wrote to us."""
    contact = _contact(facts, box)
    return opened(box, facts.intake.name) or contact["phone"] or contact["email"]


def _escort(facts: Patient, box: Box | None) -> str:
    coming = facts.next_session()
    ride = facts.ride(coming[0]) if coming else None
    return opened(box, ride.escort) if ride else ""


def _days(request: Request, told: Sequence[Told], boxes: dict[UUID, Box]) -> list[tuple[str, list[Spoken]]]:
    """The story by day of the clinic's zone, newest first; sessions that were booked together are one sentence."""
    dates, say = pages_of(request).dates(request), words_of(request)
    spoken: list[Spoken] = []
    for event in _booked_together(told):
        made = line(event[0].name, event[0].payload) if len(event) == 1 else _together(event)
        said = LINK.sub(r"\1…", opened(boxes.get(event[0].patient_id), made.said))
        said, listen = recorded(said) if _spoken(event[0]) else (said, "")
        key = f"{event[0].source}-{event[0].patient_id}-{event[0].sequence}"
        shown = said if len(said) <= CLIP + SPARE else said[:CLIP].rsplit(maxsplit=1)[0]
        more = said[len(shown) :].strip()
        spoken.append(Spoken(key, event[0].at, made, say.actor(event[0].actor), shown, more, listen))
    days = groupby(spoken, key=lambda it: it.at.astimezone(dates.tz).date())
    return [(dates.day(day), list(lines)) for day, lines in days]


def _spoken(event: Told) -> bool:
    """Whether it came over the telephone: its words may end in the address of what was recorded."""
    return event.name == "MessageReceived" and event.payload.get("channel") == "phone"


def _booked_together(told: Sequence[Told]) -> list[list[Told]]:
    groups: list[list[Told]] = []
    for event in told:
        last = groups[-1][-1] if groups else None
        course = event.payload.get("course_id")
        together = last is not None and course and last.name == event.name == "SessionScheduled"
        if together and last is not None and last.payload.get("course_id") == course:
            groups[-1].append(event)
        else:
            groups.append([event])
    return groups


def _together(events: Sequence[Told]) -> Line:
    times = sorted(datetime.fromisoformat(it.payload["starts_at"]) for it in events)
    return Line("calendar", phrase("story.SessionsScheduled", count=len(events), times=tuple(times)))
