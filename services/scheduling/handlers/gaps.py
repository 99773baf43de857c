"""A session that falls out of a course leaves a gap between its neighbours; one that is too long, a person looks at."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from uuid import UUID

from services.scheduling.domain import house
from services.scheduling.domain.appointments import Appointment, Session, State
from services.scheduling.repository import calendar
from shared.tasks import close_task, raise_task
from shared.uow import UnitOfWork

GAP = "course-gap"
GONE = (State.CANCELLED, State.NO_SHOW)


async def fell_out(uow: UnitOfWork, gone: Appointment) -> None:
    """This session does not take place: see what lies between the one before it and the one after."""
    session = gone.session
    if session is None:
        return
    for number in range(1, session.of + 1):
        pair = sorted((number, session.number))
        await _close(uow, gone.patient_id, session.course_id, pair[0], pair[1])
    for before, after in await _pairs(uow, session.course_id):
        if _number(before) < session.number < _number(after) and _length(before, after) > _longest(uow):
            await _raise(uow, session, before, after)


async def moved(uow: UnitOfWork, session: Session, patient_id: UUID) -> None:
    """A session of this course lies elsewhere: the gaps that are short enough need nobody any more."""
    for before, after in await _pairs(uow, session.course_id):
        if _length(before, after) <= _longest(uow):
            await _close(uow, patient_id, session.course_id, _number(before), _number(after))


async def _raise(uow: UnitOfWork, session: Session, before: Appointment, after: Appointment) -> None:
    course, length = uow.clinic.course, _length(before, after)
    again = length > timedelta(days=course.reevaluate_after_days)
    means = "A provider decides whether the course goes on as it is." if again else "Move one of them nearer."
    await raise_task(
        uow,
        kind=GAP,
        subject=after.patient_id,
        occurrence=f"{session.course_id}:{_number(before)}:{_number(after)}",
        role="provider" if again else "front_desk",
        patient_id=after.patient_id,
        appointment_id=after.id,
        deadline=before.starts_at + timedelta(days=course.gap_max_days),
        detail=f"Without session {session.number}, sessions {_number(before)} and {_number(after)} lie "
        f"{length / timedelta(days=1):.1f} days apart; {course.gap_max_days} are allowed. {means}",
    )


async def _close(uow: UnitOfWork, patient_id: UUID, course_id: UUID, before: int, after: int) -> None:
    was = f"{course_id}:{before}:{after}"
    await close_task(uow, kind=GAP, subject=patient_id, occurrence=was, outcome="changed")


async def _pairs(uow: UnitOfWork, course_id: UUID) -> Iterator[tuple[Appointment, Appointment]]:
    every = await calendar.many(uow.conn, calendar.OF_COURSE, course_id)
    return pairwise([one for one in every if one.state not in GONE])


def _number(one: Appointment) -> int:
    return one.session.number if one.session else 0


def _length(before: Appointment, after: Appointment) -> timedelta:
    return after.starts_at - before.starts_at


def _longest(uow: UnitOfWork) -> timedelta:
    return house.rules_of(uow.clinic).gap_max
