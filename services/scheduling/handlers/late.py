"""A dose that is given at another time than planned takes the room, the monitor and the patient for that time.

What stands there becomes a task, and nobody else is booked there. Who comes next can wait as long as making the room
ready takes, so a dose that is off by no more than that changes nothing.
"""

from datetime import timedelta

from services.scheduling.domain import house
from services.scheduling.domain.appointments import Appointment, Session
from services.scheduling.domain.sessions import Moments, Need, Shape, moments
from services.scheduling.domain.spans import Span, subtract
from services.scheduling.handlers.clashes import CONFLICT
from services.scheduling.repository import calendar, day
from shared.tasks import raise_task
from shared.uow import UnitOfWork


async def given(uow: UnitOfWork, dosed: Appointment, session: Session, shape: Shape) -> None:
    """Follow a dose that was given now."""
    late = -((session.dose_at - uow.now) // timedelta(minutes=1))
    if abs(late) <= shape.turnover:
        return
    real = moments(shape, dosed.starts_at + timedelta(minutes=late))
    needs = await _needs(uow, dosed, session, real)
    for other in await day.needing(uow.conn, needs, dosed.id):
        await _ask(uow, other, dosed, real)
    await _take(uow, dosed, needs)


async def _needs(uow: UnitOfWork, dosed: Appointment, session: Session, real: Moments) -> list[Need]:
    """What the session takes now and did not take by its plan."""
    patients = [house.patient_id(one) for one in await calendar.family(uow.conn, dosed.patient_id)]
    planned = [(one, Span(dosed.starts_at, dosed.ends_at)) for one in patients]
    if dosed.monitor_id is not None:
        planned.append((house.person_id(dosed.monitor_id), Span(session.dose_at, dosed.ends_at)))
    if dosed.room_id is not None:
        planned.append((house.room_id(dosed.room_id), Span(dosed.starts_at, session.room_until)))
    whole = Span(real.dose_at, real.ends_at)
    return [Need(resource, span) for resource, plan in planned for span in subtract((whole,), (plan,))]


async def _ask(uow: UnitOfWork, other: Appointment, dosed: Appointment, real: Moments) -> None:
    until = real.ends_at.astimezone(uow.clinic.tz)
    await raise_task(
        uow,
        kind=CONFLICT,
        subject=other.patient_id,
        occurrence=f"{other.id}:{other.revision}:{dosed.id.hex[-12:]}",
        role="front_desk",
        patient_id=other.patient_id,
        appointment_id=other.id,
        deadline=other.starts_at,
        detail=f"A session at another time than planned lasts until {until:%H:%M}. Find somebody else, or move it.",
    )


async def _take(uow: UnitOfWork, dosed: Appointment, needs: list[Need]) -> None:
    """Take what of it is free."""
    if not needs:
        return
    first, last = min(need.span.start for need in needs), max(need.span.end for need in needs)
    every = await calendar.ledger(uow.conn, [need.resource for need in needs], first, last)
    free = [
        (dosed.id, Need(need.resource, span))
        for need in needs
        for span in subtract((need.span,), every.taken.get(need.resource, ()))
    ]
    await calendar.book(uow.conn, free)
