"""Somebody airway-trained is in the house while a session runs. They are booked for none, so they can go unseen."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from services.scheduling.domain import house
from services.scheduling.domain.appointments import Appointment
from services.scheduling.domain.site import first_free
from services.scheduling.domain.spans import Span
from services.scheduling.handlers.clashes import CONFLICT
from services.scheduling.repository import absences, calendar
from shared.tasks import close_tasks, raise_task
from shared.uow import UnitOfWork


async def uncovered(uow: UnitOfWork, spans: Sequence[Span]) -> list[Span]:
    """Those in which nobody airway-trained is in the house, where the policy asks for somebody.

    Until commit nobody can write down that one of them is away.
    """
    if not uow.clinic.appointments.airway_on_site or not spans:
        return []
    await calendar.attend(uow.conn, [absences.AIRWAY])
    trained = [house.person_id(one.id) for one in uow.clinic.people if one.airway]
    window = house.Window(min(one.start for one in spans), max(one.end for one in spans) + timedelta(days=1))
    ledger = await calendar.ledger(uow.conn, trained, window.start, window.end)
    there = house.airway_site(uow.clinic, window, ledger.away)
    return [one for one in spans if first_free(there, (one,)) is None]


async def left_alone(uow: UnitOfWork, start: datetime, end: datetime, absence: str) -> None:
    """Have a person see to the sessions of that time that nobody airway-trained is there for any more."""
    for one in [one for one, covered in await _sessions(uow, start, end) if not covered]:
        await raise_task(
            uow,
            kind=CONFLICT,
            subject=one.patient_id,
            occurrence=f"{_beginning(one)}{absence[:12]}",
            role="front_desk",
            patient_id=one.patient_id,
            appointment_id=one.id,
            deadline=one.starts_at,
            detail="Nobody airway-trained is in the house during this session. Have one of them stay, or move it.",
        )


async def here_again(uow: UnitOfWork, start: datetime, end: datetime) -> None:
    """Somebody airway-trained came back in that time: what they are there for stands well."""
    for one, covered in await _sessions(uow, start, end):
        if covered:
            was = _beginning(one)
            await close_tasks(uow, kind=CONFLICT, subject=one.patient_id, beginning=was, outcome="free-again")


async def _sessions(uow: UnitOfWork, start: datetime, end: datetime) -> list[tuple[Appointment, bool]]:
    """The sessions that run in that time and are not over, and whether somebody is there for each."""
    every = await calendar.many(uow.conn, absences.RUNNING, start, end, uow.now)
    spans = {one.id: Span(one.session.dose_at, one.ends_at) for one in every if one.session}
    alone = await uncovered(uow, list(spans.values()))
    return [(one, spans[one.id] not in alone) for one in every]


def _beginning(one: Appointment) -> str:
    return f"{one.id}:{one.revision}:airway:"
