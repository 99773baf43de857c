"""What is measured and felt on the day of a session; what is dangerous becomes a provider's task at once."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from services.assessment.domain.refusals import Conflicting, Invalid, Unknown
from services.assessment.domain.vitals import Judgement, Reading, judge
from services.assessment.handlers.charts import EFFECT, VITALS
from services.assessment.handlers.deciding import statement_of
from services.assessment.repository import charts
from services.assessment.repository import session_day as repository
from services.assessment.rows import SideEffectRow, VitalsRow
from shared.contracts.assessment import SideEffectReported, VitalsRecorded
from shared.security.sealing import Box
from shared.tasks import raise_task
from shared.uow import UnitOfWork

MEASURED = ("systolic", "diastolic", "heart_rate", "spo2")
CLOCKS_DIFFER = timedelta(minutes=2)
Severity = Literal["mild", "moderate", "severe"]
DANGER = frozenset({"breathing", "chest_pain"})
"""What calls a provider however mild it is said to be."""


async def record_vitals(
    uow: UnitOfWork, patient_id: UUID, vitals_id: UUID, reading: Reading, appointment_id: UUID | None
) -> Judgement:
    """Keep a reading and say what the clinic's limits say about it. The same `vitals_id` again records nothing.

    Raises:
        Unknown: no such chart. Conflicting: `vitals_id` names another reading.
        Invalid: nothing measured, a pressure that cannot be, or a moment ahead.
    """
    _check(uow, reading)
    patient = await known(uow, patient_id)
    row = VitalsRow(
        id=vitals_id,
        patient_id=patient,
        appointment_id=appointment_id,
        phase=reading.phase,
        taken_at=reading.taken_at,
        systolic=reading.systolic,
        diastolic=reading.diastolic,
        heart_rate=reading.heart_rate,
        spo2=reading.spo2,
        hold="none",
        flags=[],
        author=uow.actor,
        recorded_at=uow.now,
    )
    said = judge(uow.clinic.vitals, reading, held_before=await repository.held_before(uow.conn, row))
    if not await repository.add_vitals(uow.conn, _judged(row, said)):
        return await _said_before(uow, row, reading)
    uow.publish(
        VitalsRecorded(
            patient_id=patient,
            vitals_id=row.id,
            appointment_id=appointment_id,
            phase=reading.phase,
            taken_at=reading.taken_at,
            systolic=reading.systolic,
            diastolic=reading.diastolic,
            heart_rate=reading.heart_rate,
            spo2=reading.spo2,
        )
    )
    if said.urgent or said.provider_decides:
        await raise_task(
            uow,
            kind=VITALS,
            subject=patient,
            occurrence=str(row.id),
            role="provider",
            patient_id=patient,
            deadline=uow.now,
            appointment_id=appointment_id,
            detail=_said(reading),
        )
    return said


async def _said_before(uow: UnitOfWork, row: VitalsRow, reading: Reading) -> Judgement:
    kept = await repository.reading(uow.conn, row.id)
    if any(getattr(kept, name) != getattr(row, name) for name in ("patient_id", "appointment_id", "phase", *MEASURED)):
        raise _reused("reading")
    reading = replace(reading, taken_at=kept.taken_at)
    return judge(uow.clinic.vitals, reading, held_before=await repository.held_before(uow.conn, kept))


def _reused(what: str) -> Conflicting:
    return Conflicting(
        "id_reused",
        f"Another {what} was recorded under this id; nothing was kept of this one.",
        "Send it again under a new id.",
        "id",
    )


def _judged(row: VitalsRow, said: Judgement) -> VitalsRow:
    return VitalsRow(**{name: getattr(row, name) for name in row.__slots__} | {
        "hold": said.hold.value, "flags": list(said.flags),
    })  # fmt: skip


def _said(it: Reading) -> str:
    measured = (
        f"{it.systolic or '–'}/{it.diastolic or '–'} mmHg" if it.systolic or it.diastolic else "",
        f"{it.heart_rate} /min" if it.heart_rate else "",
        f"SpO2 {it.spo2} %" if it.spo2 else "",
    )
    return ", ".join(part for part in measured if part)


def _check(uow: UnitOfWork, it: Reading) -> None:
    if (it.systolic, it.diastolic, it.heart_rate, it.spo2) == (None,) * 4:
        raise Invalid("nothing_measured", "Nothing was measured.", "Enter at least one value.", "systolic")
    if it.systolic is not None and it.diastolic is not None and it.diastolic >= it.systolic:
        raise Invalid(
            "pressure_swapped",
            "The lower pressure is not under the upper one.",
            "Check the two numbers; they may be swapped.",
            "diastolic",
        )
    not_ahead(uow, it.taken_at, "taken_at")


def not_ahead(uow: UnitOfWork, at: datetime, field: str) -> None:
    """What was seen cannot lie ahead; two clocks may differ a little.

    Raises:
        Invalid: it does.
    """
    if at > uow.now + CLOCKS_DIFFER:
        raise Invalid("in_future", "This moment has not come yet.", "Correct the time.", field)


async def known(uow: UnitOfWork, patient_id: UUID) -> UUID:
    """The id under which the patient's chart is kept today.

    Raises:
        Unknown: no such chart. KeyErased.
    """
    found = await charts.resolve(uow.conn, patient_id)
    if await charts.find(uow.conn, found) is None:
        raise Unknown(
            "no_chart", "There is no chart for this patient.", "Check the link, or look the patient up again."
        )
    await uow.keys.box(found)
    return found


async def conditions(uow: UnitOfWork, patient: UUID, box: Box) -> str | None:
    """What the provider who approved asks for, in their words; None where nothing is asked, or nothing is approved."""
    chart = await charts.find(uow.conn, patient)
    signed = await charts.decisions(uow.conn, patient) if chart and chart.approval else []
    words = (
        statement_of(box, row)["decision"].get("conditions")
        for row in signed
        if chart and chart.approval and row.id == chart.approval.decision_id
    )
    return next(words, None) or None


async def report_effect(
    uow: UnitOfWork,
    patient_id: UUID,
    report_id: UUID,
    *,
    effect: str,
    severity: Severity,
    began_at: datetime,
    note: str,
    appointment_id: UUID | None,
) -> None:
    """Keep what the patient felt; a severe one, and a danger sign, is a provider's task at once.

    The same `report_id` again records nothing.

    Raises:
        Unknown: no such chart. Invalid: it began ahead of now. Conflicting: `report_id` names another report.
    """
    not_ahead(uow, began_at, "began_at")
    patient = await known(uow, patient_id)
    sealed = (await uow.keys.box(patient)).seal(note) if note else None
    row = SideEffectRow(report_id, patient, appointment_id, effect, severity, began_at, sealed, uow.actor, uow.now)
    if not await repository.add_effect(uow.conn, row):
        kept = await repository.effect(uow.conn, report_id)
        words = (await uow.keys.box(patient)).open(kept.note) if kept.note and kept.patient_id == patient else ""
        now = (patient, appointment_id, effect, severity, note)
        if (kept.patient_id, kept.appointment_id, kept.effect, kept.severity, words) != now:
            raise _reused("report")
        return
    uow.publish(
        SideEffectReported(
            patient_id=patient,
            report_id=report_id,
            appointment_id=appointment_id,
            effect=effect,
            severity=severity,
            began_at=began_at,
            note=sealed,
        )
    )
    if severity == "severe" or effect in DANGER:
        await raise_task(
            uow,
            kind=EFFECT,
            subject=patient,
            occurrence=str(report_id),
            role="provider",
            patient_id=patient,
            deadline=uow.now,
            appointment_id=appointment_id,
            detail=note or None,
        )
