"""Who is away, as another calendar says or a person writes down: what stands in that time, a person resolves."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.scheduling.domain import house
from services.scheduling.domain.appointments import Appointment
from services.scheduling.domain.refusals import Refused
from services.scheduling.handlers import airway, clashes
from services.scheduling.handlers.clashes import CONFLICT
from services.scheduling.repository import absences as repository
from services.scheduling.repository import calendar
from services.scheduling.repository.absences import Absence
from shared.audit import audit
from shared.ids import new_id
from shared.tasks import close_task, raise_task
from shared.uow import UnitOfWork

FURTHEST = timedelta(days=366)


async def note(uow: UnitOfWork, person_id: str, starts_at: datetime, ends_at: datetime) -> Absence:
    """Somebody is away: nothing new is booked with them, and what stands there becomes tasks.

    Raises:
        Refused: the clinic has no such person, that time is over, or so far ahead that somebody mistyped the year.
    """
    if person_id not in {person.id for person in uow.clinic.people}:
        raise Refused("nobody")
    if ends_at <= uow.now:
        raise Refused("past")
    if starts_at > uow.now + FURTHEST:
        raise Refused("far-ahead")
    await repository.alone(uow.conn)
    away = Absence(new_id(), person_id, starts_at, ends_at, noted_by=uow.actor)
    away = replace(away, id=await repository.note(uow.conn, away))
    detail = {"person": person_id, "from": starts_at.isoformat(), "until": ends_at.isoformat()}
    await audit(uow, action="write", what="absence", subject=None, detail=detail)
    found = await in_the_way(uow, away)
    return replace(away, in_the_way=tuple(one.id for one in found))


async def take_back(uow: UnitOfWork, absence_id: UUID) -> Absence | None:
    """They are here after all; None where there is no such absence.

    Raises:
        Refused: another system's calendar says so, and takes it back itself.
    """
    await repository.alone(uow.conn)
    away = await repository.find(uow.conn, absence_id, uow.now, lock=True)
    if away is None:
        return None
    if away.noted_by is None:
        raise Refused("not-ours")
    await here_again(uow, away)
    detail = {"person": away.person_id, "absence": str(away.id)}
    await audit(uow, action="delete", what="absence", subject=None, detail=detail)
    return away


async def in_the_way(uow: UnitOfWork, away: Absence) -> list[Appointment]:
    """Have a person resolve what stands in that time and is not over; returns it."""
    resource = house.person_id(away.person_id)
    every = await calendar.many(uow.conn, repository.OVER, resource, away.starts_at, away.ends_at)
    found = [one for one in every if one.ends_at > uow.now]
    for one in found:
        name = uow.clinic.person(away.person_id).name
        await raise_task(
            uow,
            kind=CONFLICT,
            subject=one.patient_id,
            occurrence=_occurrence(one, away),
            role="front_desk",
            patient_id=one.patient_id,
            appointment_id=one.id,
            deadline=one.starts_at,
            detail=f"{name} is away during this {one.kind.value}. Find somebody else, or move it.",
        )
    if uow.clinic.person(away.person_id).airway:
        await airway.left_alone(uow, away.starts_at, away.ends_at, _absence(away))
    return found


async def here_again(uow: UnitOfWork, away: Absence) -> None:
    """That time is theirs again: what stood in it stands well."""
    await repository.drop(uow.conn, away.id)
    resource = house.person_id(away.person_id)
    for one in await calendar.many(uow.conn, repository.OVER, resource, away.starts_at, away.ends_at):
        was = _occurrence(one, away)
        await close_task(uow, kind=CONFLICT, subject=one.patient_id, occurrence=was, outcome="free-again")
    await clashes.made_room(uow, away.starts_at, away.ends_at)
    await airway.here_again(uow, away.starts_at, away.ends_at)


def _occurrence(found: Appointment, away: Absence) -> str:
    """Of the task: moved out of one absence, an appointment may come to stand in another."""
    return f"{found.id}:{found.revision}:{_absence(away)}"


def _absence(away: Absence) -> str:
    absence = f"{away.id} {away.starts_at.astimezone(UTC).isoformat()} {away.ends_at.astimezone(UTC).isoformat()}"
    return hashlib.sha256(absence.encode()).hexdigest()[:20]
