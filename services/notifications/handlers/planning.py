"""The plan of one visit: its rungs of the reminder ladder, and which texts travel together."""

from datetime import timedelta
from uuid import UUID

from services.notifications.domain.delivery import State
from services.notifications.domain.plan import Due, Rung, Visit, ladder, merged
from services.notifications.handlers.aftercare import NEXT_DAY
from services.notifications.handlers.reaching import channels, reached_as, window_of
from services.notifications.handlers.saying import TIMER, local_midnight, unschedule
from services.notifications.repository import messages, visits
from services.notifications.rows import MessageRow, Patient, VisitRow
from shared.clinic.messages import TEXTS
from shared.ids import new_id
from shared.timers import cancel_timers, set_timer
from shared.uow import UnitOfWork

CUT_OFF = "transport-cut-off"
UNPREPARED = "prep-unanswered"
AT_LEAST = timedelta(hours=1)
"""Patients have at least this long to answer before a person calls, however late the visit was booked."""
_KNOWN = frozenset(TEXTS)


async def replan(uow: UnitOfWork, patient: Patient, visit: VisitRow) -> None:
    """Make the ledger say what this visit needs from now on; what it no longer needs is withdrawn."""
    target = await reached_as(uow, patient)
    reachable = channels(uow.clinic, target)
    standing = await messages.planned_ladder(uow.conn, visit.id)
    for rung in _rungs(uow, target, visit):
        if rung.channel not in reachable and (reachable or rung.asks != NEXT_DAY):
            continue  # who can be written to by no channel is called the day after, when this comes due
        row = _row(uow, patient, visit, rung)
        planned = await messages.plan(uow.conn, row)
        if planned is not None:
            await set_timer(uow, kind=TIMER, subject=patient.id, occurrence=str(planned), due_at=rung.due_at)
        standing.pop((row.kind, row.occurrence, row.channel), None)
    for message_id in standing.values():
        await messages.stop(uow.conn, message_id, to=State.WITHDRAWN, reason="replanned")
    await unschedule(uow, patient.id, list(standing.values()))
    await _set_calls(uow, visit)
    await merge(uow, patient, target)


async def replan_all(uow: UnitOfWork, patient: Patient) -> None:
    """The same for all that is ahead: they moved to another zone, or allow other channels."""
    for visit in await visits.of_patients(uow.conn, [patient.id]):
        if visit.state in ("ahead", "done"):
            await replan(uow, patient, visit)


async def merge(uow: UnitOfWork, patient: Patient, target: Patient) -> None:
    """Let texts of a crowded day travel together."""
    limits = uow.clinic.messages.frequency
    per_day = limits.with_consent_per_day if target.sms_consent else limits.without_consent_per_day
    planned = await messages.planned_texts(uow.conn, patient.id)
    today = local_midnight(uow, target)
    had = await messages.count_since(uow.conn, {patient.id, target.id}, today)
    texts = [Due(message_id, due_at, asks) for message_id, due_at, asks in planned if due_at >= uow.now]
    hosts = merged(texts, per_day, {today.date(): had}, target.tz(uow.clinic.tz))
    await messages.carry(uow.conn, patient.id, hosts)


def _rungs(uow: UnitOfWork, target: Patient, visit: VisitRow) -> list[Rung]:
    if visit.state not in ("ahead", "done") or visit.external:
        return []
    about = Visit(visit.kind, visit.starts_at, visit.ends_at, visit.ride_known)
    steps = uow.clinic.messages.ladder
    if visit.state == "done":
        steps = tuple(step for step in steps if step.hours_after is not None)
    return ladder(about, steps, window_of(uow.clinic, target), uow.now, _KNOWN)


def _row(uow: UnitOfWork, patient: Patient, visit: VisitRow, rung: Rung) -> MessageRow:
    return MessageRow(
        id=new_id(),
        patient_id=patient.id,
        kind=rung.code,
        occurrence=occurrence(visit.id, visit.revision),
        channel=rung.channel,
        text=rung.text,
        visit_id=visit.id,
        visits=(visit.id,),
        course_id=visit.course_id,
        ladder=True,
        exempt=False,
        asks=rung.asks,
        answer_by=None,
        planned_at=uow.now,
        due_at=rung.due_at,
        until_at=rung.until_at,
    )


def occurrence(visit_id: UUID, revision: int) -> str:
    """A visit at one time: moved, it is told again."""
    return f"{visit_id}:{revision}"


async def _set_calls(uow: UnitOfWork, visit: VisitRow) -> None:
    """By when what only the patient can say must be known, else a person calls."""
    await _set_cut_off(uow, visit)
    if visit.kind == "session" and visit.state == "ahead" and visit.starts_at > uow.now:
        await _call_at(uow, visit, UNPREPARED, uow.clinic.preparation.answer_hours)
    else:
        await cancel_timers(uow, subject=visit.patient_id, kind=UNPREPARED, occurrence=str(visit.id))


async def _set_cut_off(uow: UnitOfWork, visit: VisitRow) -> None:
    """By when somebody must be known who takes the patient home."""
    needed = visit.kind == "session" and uow.clinic.transport.required
    settled = visit.ride_known or visit.transport == "missing"
    if not needed or visit.state != "ahead" or settled or visit.starts_at <= uow.now:
        await cancel_timers(uow, subject=visit.patient_id, kind=CUT_OFF, occurrence=str(visit.id))
        return
    await _call_at(uow, visit, CUT_OFF, uow.clinic.transport.cut_off_hours)


async def _call_at(uow: UnitOfWork, visit: VisitRow, kind: str, hours: int) -> None:
    due_at = min(max(visit.starts_at - timedelta(hours=hours), uow.now + AT_LEAST), visit.starts_at)
    await set_timer(uow, kind=kind, subject=visit.patient_id, occurrence=str(visit.id), due_at=due_at)
