"""A licensed provider decides about exactly one completed version; what follows from it, and how it ends."""

import json
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from services.assessment.domain import chart as charts
from services.assessment.domain.canonical import canonical
from services.assessment.domain.chart import Chart
from services.assessment.domain.decision import (
    Approve,
    Ask,
    Assessed,
    Decision,
    Recommend,
    Signed,
    Signer,
    Terms,
    already_decided,
    check,
    sign,
    signer,
)
from services.assessment.domain.refusals import Unknown
from services.assessment.handlers.charts import EXPIRES, FOLLOW_UP, MORE, SAFETY, SIGN, held, moved, today
from services.assessment.repository import charts as repository
from services.assessment.rows import AssessmentRow, DecisionRow
from shared.contracts.assessment import SafetyConcernCleared, Severity
from shared.ids import new_id
from shared.security.sealing import Box
from shared.tasks import close_task, close_tasks, raise_task
from shared.timers import Timer, set_timer
from shared.uow import UnitOfWork

FOLLOW_UP_AT = time(9)
"""A follow-up appears on the list in the morning of its day, in the clinic's zone."""


async def decide(uow: UnitOfWork, patient_id: UUID, decision: Decision, staff_id: str) -> UUID:
    """Sign a decision about the current version; its id.

    Raises:
        NotEntitled: no provider of this clinic, or no licence valid today.
        Unknown: no such chart.
        Conflicting: decided already, changed meanwhile, or a safety concern is open.
        Invalid: beyond the clinic's rules, or a hard flag without a reason.
    """
    by = _signer(uow, staff_id)
    chart = await held(uow, patient_id)
    if await repository.is_decided(uow.conn, decision.assessment_id):
        raise already_decided()
    box = await uow.keys.box(chart.patient_id)
    assessed = await _assessed(uow, chart, box)
    crisis = await repository.concern_open(uow.conn, chart.patient_id)
    terms = _terms(uow)
    assessed = check(decision, assessed, crisis_open=crisis, terms=terms, today=today(uow))
    signed = sign(
        decision,
        decision_id=new_id(),
        patient_id=chart.patient_id,
        signer=by,
        now=uow.now,
        policy_hash=terms.policy_hash,
    )
    if not await repository.add_decision(uow.conn, _row(uow, chart, decision, by, signed, box)):
        raise already_decided()
    after, event = charts.decided(
        chart, decision, assessed, decision_id=signed.id, signer=by, now=uow.now, terms=terms, seal=box.seal
    )
    await repository.store(uow.conn, after, uow.now)
    uow.publish(event)
    await close_task(uow, kind=SIGN, subject=chart.patient_id, outcome=decision.action)
    await _follow(uow, after, decision, signed.id)
    return signed.id


def _signer(uow: UnitOfWork, staff_id: str) -> Signer:
    try:
        person = uow.clinic.person(staff_id)
    except KeyError:
        person = None
    return signer(person, today(uow))


def _terms(uow: UnitOfWork) -> Terms:
    course = uow.clinic.course
    return Terms(
        routes=uow.clinic.appointments.routes,
        sessions_min=course.sessions_min,
        sessions_max=course.sessions_max,
        valid=timedelta(days=uow.clinic.approval.valid_days),
        policy_hash=uow.clinic.hash,
    )


async def _assessed(uow: UnitOfWork, chart: Chart, box: Box) -> Assessed | None:
    row: AssessmentRow | None = None
    if chart.assessment is not None:
        row = await repository.assessment(uow.conn, chart.assessment)
    if row is None:
        return None
    flags = box.open_json(row.content)["flags"]
    return Assessed(
        id=row.id,
        version=row.version,
        content_hash=row.content_hash,
        flags=tuple((flag["code"], Severity(flag["severity"])) for flag in flags),
    )


def _row(uow: UnitOfWork, chart: Chart, decision: Decision, by: Signer, signed: Signed, box: Box) -> DecisionRow:
    return DecisionRow(
        id=signed.id,
        patient_id=chart.patient_id,
        assessment_id=decision.assessment_id,
        action=decision.action,
        provider_id=by.provider_id,
        licence=by.licence,
        licence_state=by.licence_state,
        signed_at=uow.now,
        policy_hash=uow.clinic.hash,
        statement=box.seal(canonical(signed.statement)),
        digest=signed.digest,
        signature=signature(uow, signed.digest),
    )


def signature(uow: UnitOfWork, digest: str) -> str:
    """HMAC-SHA256 under the clinic's key: a record forged or changed in the database doesn't verify."""
    return uow.lookup.hash("decision", digest).hex()


async def _follow(uow: UnitOfWork, chart: Chart, decision: Decision, decision_id: UUID) -> None:
    """What the clinic does next: an approval that will run out, a question to answer, a day to ask again."""
    if isinstance(decision, Approve) and chart.approval is not None:
        await repository.add_approval(uow.conn, chart.patient_id, chart.approval)
        await set_timer(
            uow,
            kind=EXPIRES,
            subject=chart.patient_id,
            occurrence=str(chart.approval.id),
            due_at=chart.approval.valid_until,
        )
    if isinstance(decision, Ask):
        await raise_task(
            uow,
            kind=MORE,
            subject=chart.patient_id,
            occurrence=str(decision_id),
            role="front_desk",
            patient_id=chart.patient_id,
            detail=decision.question,
        )
    if isinstance(decision, Recommend):
        await set_follow_up(uow, chart.patient_id, str(decision_id), decision.follow_up_on)


async def set_follow_up(uow: UnitOfWork, patient_id: UUID, occurrence: str, day: date | None) -> None:
    """On that day the front desk asks how the alternative goes; nothing without a day."""
    if day is not None:
        due_at = datetime.combine(day, FOLLOW_UP_AT, tzinfo=uow.clinic.tz)
        await set_timer(uow, kind=FOLLOW_UP, subject=patient_id, occurrence=occurrence, due_at=due_at)


async def revoke(uow: UnitOfWork, patient_id: UUID, reason: str, staff_id: str) -> None:
    """A provider takes the approval back, in their words.

    Raises:
        NotEntitled, Unknown; Conflicting: no approval is in force.
    """
    _signer(uow, staff_id)
    chart = await held(uow, patient_id)
    box = await uow.keys.box(chart.patient_id)
    after, event = charts.revoked(chart, "provider", now=uow.now, detail=box.seal(reason))
    await moved(uow, chart, after, event)


async def clear_concern(uow: UnitOfWork, patient_id: UUID, concern_id: UUID, reason: str, staff_id: str) -> None:
    """A clinician spoke with the patient and clears the concern, with the reason.

    Where two charts became one, the concern that was brought along is cleared with it: it is about the same person,
    and nobody could clear it by itself.

    Raises:
        NotEntitled, Unknown: no such chart, or no such open concern.
    """
    by = _signer(uow, staff_id)
    chart = await held(uow, patient_id)
    box = await uow.keys.box(chart.patient_id)
    if not await _cleared(uow, chart.patient_id, concern_id, box.seal(reason), by):
        raise Unknown("no_open_concern", "There is no such open concern.", "Open the chart again; it may be cleared.")
    also = await repository.also_open(uow.conn, chart.patient_id, concern_id)
    boxes = await uow.keys.boxes({patient for patient, _ in also})
    for patient, same in also:
        if patient in boxes:
            await _cleared(uow, patient, same, boxes[patient].seal(reason), by)


async def _cleared(uow: UnitOfWork, patient_id: UUID, concern_id: UUID, reason: str, by: Signer) -> bool:
    if not await repository.clear_concern(uow.conn, patient_id, concern_id, uow.now, uow.actor, reason):
        return False
    uow.publish(
        SafetyConcernCleared(
            patient_id=patient_id, concern_id=concern_id, provider_id=by.provider_id, cleared_at=uow.now, reason=reason
        )
    )
    await close_tasks(uow, kind=SAFETY, subject=patient_id, beginning=str(concern_id), outcome="cleared")
    return True


async def expire(uow: UnitOfWork, timer: Timer) -> None:
    """The approval's days have passed."""
    chart = await repository.find_locked(uow.conn, timer.subject)
    if chart is None:
        return
    after, event = charts.expired(chart, UUID(timer.occurrence), now=uow.now)
    if event is not None:
        await moved(uow, chart, after, event)


async def follow_up(uow: UnitOfWork, timer: Timer) -> None:
    """The day has come to ask how the alternative goes."""
    await raise_task(
        uow,
        kind=FOLLOW_UP,
        subject=timer.subject,
        occurrence=timer.occurrence,
        role="front_desk",
        patient_id=timer.subject,
    )


def statement_of(box: Box, row: DecisionRow) -> dict[str, Any]:
    """What was signed, as it was written down."""
    value: dict[str, Any] = json.loads(box.open(row.statement))
    return value
