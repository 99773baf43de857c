"""What scheduling decided becomes confirmation, plan, and news of every change."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from services.notifications.handlers import escorts, preparing, transport
from services.notifications.handlers.planning import occurrence, replan
from services.notifications.handlers.reaching import channels, known, reached_as, window_of
from services.notifications.handlers.saying import IN_TIME, Say, let_down, local_midnight, say, schedule, unschedule
from services.notifications.repository import messages, questions, visits
from services.notifications.rows import Patient, VisitRow
from shared.clinic.messages import SmsOrEmail
from shared.contracts.scheduling import (
    AppointmentCancelled,
    AppointmentNoShow,
    AppointmentRescheduled,
    ConsultationScheduled,
    SessionCompleted,
    SessionScheduled,
)
from shared.errors import NotYet
from shared.uow import UnitOfWork

ELSEWHERE = "external"
"""The reason of a change that was made in the system where the visit was booked."""
ABOUT_A_VISIT = ("cancelled", "rescheduled", "course_scheduled")
"""Messages that outlive the visits that they name."""


async def book_consultation(uow: UnitOfWork, event: ConsultationScheduled) -> None:
    """Confirm it and plan its reminders."""
    patient = await known(uow, event.patient_id)
    visit = VisitRow(
        id=event.appointment_id,
        patient_id=event.patient_id,
        kind="consultation",
        course_id=None,
        number=None,
        of=None,
        starts_at=event.starts_at,
        dose_at=None,
        ends_at=event.ends_at,
        zone=event.zone,
        revision=0,
        state="ahead",
        transport="open",
        escort=None,
        mode=event.mode,
        external=event.booked_by == "external",
    )
    if not await visits.add(uow.conn, visit):
        return
    if visit.external:
        await _tell_booked_elsewhere(uow, patient, visit)
        return
    await say(uow, patient, _about("consultation_scheduled", visit))
    await replan(uow, patient, visit)


async def _tell_booked_elsewhere(uow: UnitOfWork, patient: Patient, visit: VisitRow) -> None:
    """That system confirms, reminds and tells of its own changes: we write once, by the quietest way, what it can't."""
    ways = channels(uow.clinic, await reached_as(uow, patient))
    if ways:
        await say(uow, patient, replace(_about("consultation_external", visit), only=(ways[-1],)))


async def book_session(uow: UnitOfWork, event: SessionScheduled) -> None:
    """Plan its reminders; one message names the whole course, when all its visits are here or no more come."""
    patient = await known(uow, event.patient_id)
    visit = VisitRow(
        id=event.appointment_id,
        patient_id=event.patient_id,
        kind="session",
        course_id=event.course_id,
        number=event.number,
        of=event.of,
        starts_at=event.starts_at,
        dose_at=event.dose_at,
        ends_at=event.ends_at,
        zone=event.zone,
        revision=0,
        state="ahead",
        transport="open",
        escort=None,
    )
    if not await visits.add(uow.conn, visit):
        return
    await _tell_course(uow, patient, visit)
    await replan(uow, patient, visit)


async def _tell_course(uow: UnitOfWork, patient: Patient, visit: VisitRow) -> None:
    assert visit.course_id is not None
    if await messages.was_told(uow.conn, patient.id, "course_scheduled", str(visit.course_id)):
        await say(uow, patient, _about("session_scheduled", visit))
        return
    course = [row for row in await visits.of_course(uow.conn, visit.course_id) if row.state == "ahead"]
    complete = len(course) == visit.of
    await say(
        uow,
        patient,
        Say(
            kind="course_scheduled",
            occurrence=str(visit.course_id),
            course_id=visit.course_id,
            visits=tuple(row.id for row in course),
            until=course[0].starts_at,
            wait=timedelta() if complete else _merging(uow),
        ),
    )


async def move(uow: UnitOfWork, event: AppointmentRescheduled) -> None:
    """Withdraw what was planned for the old time, plan for the new one, and say so.

    Handed to others at its own time, nothing changes for the patient: not even the revision, by which what was asked
    for this time is known.
    """
    patient, visit = await _both(uow, event.patient_id, event.appointment_id)
    if event.revision <= visit.revision or (event.starts_at, event.ends_at) == (visit.starts_at, visit.ends_at):
        return
    await visits.move(
        uow.conn,
        visit.id,
        starts_at=event.starts_at,
        dose_at=event.dose_at,
        ends_at=event.ends_at,
        zone=event.zone,
        revision=event.revision,
    )
    other_day = event.starts_at.astimezone(visit.tz).date() != visit.starts_at.astimezone(visit.tz).date()
    await preparing.settle(uow, visit, "rescheduled")
    await visits.unanswer(uow.conn, visit.id)
    if other_day:
        await visits.ask_again(uow.conn, visit.id)
        await preparing.forget(uow, visit, "rescheduled")
        await transport.settle(uow, visit, "rescheduled")
    elif visit.transport == "missing":
        await transport.ask_again(uow, visit)
    await _withdraw(uow, visit, "rescheduled")
    moved = await visits.find(uow.conn, visit.id)
    assert moved is not None
    if not other_day:
        await escorts.ask_again(uow, moved)
    if moved.external and event.reason == ELSEWHERE:
        return
    soonest = min((at for at in (visit.starts_at, moved.starts_at) if at > uow.now), default=moved.starts_at)
    await _tell_change(uow, patient, moved, "rescheduled", soonest=soonest)
    await replan(uow, patient, moved)


async def cancel(uow: UnitOfWork, event: AppointmentCancelled) -> None:
    """Withdraw what was planned and say so; several at nearly the same time make one message."""
    patient, visit = await _both(uow, event.patient_id, event.appointment_id)
    if visit.state == "cancelled":
        return
    await _end(uow, patient, visit, "cancelled")
    if visit.external and event.reason == ELSEWHERE:
        return
    await _tell_change(uow, patient, visit, "cancelled", soonest=visit.starts_at)


async def miss(uow: UnitOfWork, event: AppointmentNoShow) -> None:
    """The patient did not come: nothing more is sent about that visit."""
    patient, visit = await _both(uow, event.patient_id, event.appointment_id)
    await _end(uow, patient, visit, "missed")


async def complete(uow: UnitOfWork, event: SessionCompleted) -> None:
    """The visit is over; how they are is asked, counted from when they really left."""
    patient, visit = await _both(uow, event.patient_id, event.appointment_id)
    await visits.left(uow.conn, visit.id, event.discharged_at)
    await _end(uow, patient, visit, "done")


async def _end(uow: UnitOfWork, patient: Patient, visit: VisitRow, state: str) -> None:
    match state:
        case "cancelled":
            await visits.set_state(uow.conn, visit.id, "cancelled")
        case "missed":
            await visits.set_state(uow.conn, visit.id, "missed")
        case _:
            await visits.set_state(uow.conn, visit.id, "done")
    await _withdraw(uow, visit, state)
    await transport.settle(uow, visit, state)
    await preparing.settle(uow, visit, state)
    await preparing.forget(uow, visit, state)
    after = await visits.find(uow.conn, visit.id)
    assert after is not None
    await replan(uow, patient, after)


async def _withdraw(uow: UnitOfWork, visit: VisitRow, reason: str) -> None:
    stopped = await messages.stop_of_visit(uow.conn, visit.id, reason, but=ABOUT_A_VISIT)
    await unschedule(uow, visit.patient_id, stopped)
    await questions.close_of_visit(uow.conn, visit.id, at=uow.now, meaning=reason)
    await let_down(uow, visit.patient_id, stopped)


async def _tell_change(uow: UnitOfWork, patient: Patient, visit: VisitRow, kind: str, *, soonest: datetime) -> None:
    """A change of a visit of today, or before they could be texted again in time, is told at once; others wait a little
    for more of their kind and share a message.

    `soonest` is when they would come, as they know it or as it is now.
    """
    target = await reached_as(uow, patient)
    urgent = soonest < _texted_again(uow, target) + IN_TIME
    until = soonest if soonest > uow.now else None
    joined = set() if urgent else await _join(uow, patient, visit, kind, until)
    rest: list[SmsOrEmail] = [channel for channel in channels(uow.clinic, target) if channel not in joined]
    if joined and not rest:
        return
    await say(
        uow,
        patient,
        Say(
            kind=kind,
            occurrence=occurrence(visit.id, visit.revision),
            visit_id=visit.id,
            visits=(visit.id,),
            only=tuple(rest),
            exempt=urgent,
            until=until,
            wait=timedelta() if urgent else _merging(uow),
        ),
    )


def _texted_again(uow: UnitOfWork, target: Patient) -> datetime:
    """When a text of today, should it not go now, goes: by day they may have had as many as a day allows."""
    window, soon = window_of(uow.clinic, target), uow.now + _merging(uow)
    tomorrow = local_midnight(uow, target) + timedelta(days=1)
    if window.contains(soon):
        return window.next_opening(tomorrow)
    return max(tomorrow - IN_TIME, window.next_opening(soon))


async def _join(
    uow: UnitOfWork, patient: Patient, visit: VisitRow, kind: str, until: datetime | None
) -> set[SmsOrEmail]:
    """Add the visit to messages of this kind that have not gone yet; by which channels that was possible."""
    target = await reached_as(uow, patient)
    joined: set[SmsOrEmail] = set()
    for channel in channels(uow.clinic, target):
        waiting = await messages.waiting_like(uow.conn, patient.id, kind, channel)
        if waiting is None:
            continue
        window = window_of(uow.clinic, target)
        due_at = max(waiting.due_at, uow.now + _merging(uow))
        if channel == "sms" and not window.contains(due_at):
            due_at = window.next_opening(due_at)
        named = (*(one for one in waiting.visits if one != visit.id), visit.id)
        await messages.name_visits(uow.conn, waiting.id, named, due_at, until)
        await schedule(uow, patient.id, waiting.id, due_at)
        joined.add(channel)
    return joined


def _about(kind: str, visit: VisitRow) -> Say:
    return Say(
        kind=kind,
        occurrence=occurrence(visit.id, visit.revision),
        visit_id=visit.id,
        visits=(visit.id,),
        course_id=visit.course_id,
        until=visit.starts_at,
    )


def _merging(uow: UnitOfWork) -> timedelta:
    return timedelta(seconds=uow.clinic.messages.merge_seconds)


async def _both(uow: UnitOfWork, patient_id: UUID, visit_id: UUID) -> tuple[Patient, VisitRow]:
    patient = await known(uow, patient_id)
    visit = await visits.find(uow.conn, visit_id, lock=True)
    if visit is None:
        raise NotYet("the appointment")
    return patient, visit
