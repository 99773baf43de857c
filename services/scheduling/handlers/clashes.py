"""What stands although something that it needs is taken: who resolves it, and what becomes of it when that is free."""

from datetime import datetime, timedelta

from services.scheduling.domain import appointments, house
from services.scheduling.domain.appointments import Appointment, Move
from services.scheduling.domain.sessions import Need
from services.scheduling.domain.site import first_free
from services.scheduling.domain.spans import Span
from services.scheduling.repository import calendar, external
from shared.tasks import close_task, close_tasks
from shared.uow import UnitOfWork

CONFLICT = "calendar-conflict"
OVERLAP = "overlap-after-merge"
REASON = "external"


def occurrence(booked: Appointment) -> str:
    """Of the task about an appointment of another system that does not fit where it stands now."""
    return f"{booked.id}:{booked.revision}"


async def resolved(uow: UnitOfWork, found: Appointment, outcome: str) -> None:
    """It stands no longer where it stood in somebody's way, and has given back what it took there."""
    await close_tasks(uow, kind=CONFLICT, subject=found.patient_id, beginning=str(found.id), outcome=outcome)
    patients = await calendar.family(uow.conn, found.patient_id)
    if len(patients) > 1 and await uow.conn.fetchval(calendar.OVERLAPS, patients) is None:
        for one in patients:
            await close_task(uow, kind=OVERLAP, subject=one, outcome=outcome)
    until = found.session.room_until if found.session else found.ends_at
    await made_room(uow, found.starts_at, until)


async def made_room(uow: UnitOfWork, start: datetime, end: datetime) -> None:
    """Something is free in that time: what stands there without it takes it, before anybody else is offered it."""
    around = timedelta(minutes=uow.clinic.appointments.consultation.buffer)
    for one in await calendar.many(uow.conn, external.LACKING, start - around, end + around, uow.now):
        await _fill(uow, one)


async def _fill(uow: UnitOfWork, one: Appointment) -> None:
    span = Span(one.starts_at, one.ends_at)
    room = one.room_id or (await _free_room(uow, span) if one.mode == "in_person" else None)
    held = await external.held(uow.conn, one.id)
    wanted = [house.person_id(one.provider_id), house.patient_id(one.patient_id)]
    wanted += [house.room_id(room)] if room else []
    needs = [Need(resource, span) for resource in wanted if resource not in held]
    lost = {need.resource for need in await calendar.book(uow.conn, [(one.id, need) for need in needs])}
    was = occurrence(one)
    if room is not None and room != one.room_id and house.room_id(room) not in lost:
        to = Move(one.starts_at, one.ends_at, one.provider_id, room)
        one, said = appointments.reschedule(one, to, reason=REASON, policy_hash=uow.clinic.hash)
        await calendar.save(uow.conn, one)
        uow.publish(said)
    if not lost and (one.mode != "in_person" or one.room_id is not None):
        await close_task(uow, kind=CONFLICT, subject=one.patient_id, occurrence=was, outcome="free-again")


async def _free_room(uow: UnitOfWork, span: Span) -> str | None:
    window = house.Window(span.start, span.end + timedelta(days=1))
    ledger = await calendar.ledger(uow.conn, house.resources(uow.clinic), window.start, window.end)
    site = house.consultation_site(uow.clinic, window, ledger.taken)
    free = first_free(site.rooms, (span,))
    return free and house.plain(free)
