"""HTTP in, on the day of a session: what is measured and what the patient feels."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, Field

from services.assessment.api import Body, Reader, refusals
from services.assessment.domain.sections import Words
from services.assessment.domain.vitals import Hold, Phase, Reading
from services.assessment.handlers import session_day
from services.assessment.repository import session_day as repository
from services.assessment.views import Author, View, person_of
from shared.audit import audit
from shared.http.auth import Staff, staff
from shared.http.deps import ServiceDep
from shared.ids import new_id

router = APIRouter(prefix="/api/v1/charts", tags=["session day"])
Attending = Annotated[Staff, Depends(staff("monitor", "provider"))]

Effect = Literal[
    "dizziness", "hallucinations", "heart_rate", "blood_pressure", "nausea", "appetite", "blurry_vision", "sweating",
    "flushing", "anxiety", "drowsiness", "headache", "vomiting", "breathing", "chest_pain", "confusion", "urinary",
    "other",
]  # fmt: skip
"""What patients are told beforehand, and the danger signs among what they may tell us."""


class NewVitals(Body):
    """One reading. With an `id` of the caller's a repetition is harmless. `taken_at` is now where it is left out."""

    id: UUID | None = None
    appointment_id: UUID | None = None
    phase: Phase
    taken_at: AwareDatetime | None = None
    systolic: Annotated[int, Field(ge=20, le=350)] | None = None
    diastolic: Annotated[int, Field(ge=10, le=250)] | None = None
    heart_rate: Annotated[int, Field(ge=10, le=350)] | None = None
    spo2: Annotated[int, Field(ge=30, le=100)] | None = None


class JudgedVitals(View):
    """What the clinic's limits say.

    `hold` is "soft" (repeat at `repeat_at`, `repeats_left` times) or "hard" (only past a provider's signature).
    `flags`: BP_SOFT BP_HARD BP_ESCALATE HR_LOW HR_HIGH SPO2_ALERT SPO2_EMERGENCY. `urgent`: a provider comes now.
    """

    vitals_id: UUID
    hold: Hold
    flags: list[str]
    urgent: bool
    repeat_at: datetime | None
    repeats_left: int
    provider_decides: bool


class NewSideEffect(Body):
    """What the patient feels; `began_at` is now where it is left out."""

    id: UUID | None = None
    appointment_id: UUID | None = None
    effect: Effect
    severity: Literal["mild", "moderate", "severe"]
    began_at: AwareDatetime | None = None
    note: Words = ""


class ReportedSideEffect(View):
    report_id: UUID


class VitalsView(View):
    """A reading as it was recorded, with what the limits said then."""

    id: UUID
    appointment_id: UUID | None
    phase: Phase
    taken_at: datetime
    systolic: int | None
    diastolic: int | None
    heart_rate: int | None
    spo2: int | None
    hold: Hold
    flags: list[str]
    by: Author


class SideEffectView(View):
    id: UUID
    appointment_id: UUID | None
    effect: str
    severity: Literal["mild", "moderate", "severe"]
    began_at: datetime
    note: str
    by: Author


class Observed(View):
    """Newest first, at most 200 of each. `conditions`: what the approval in force asks for before every session."""

    conditions: str | None = None
    vitals: list[VitalsView]
    side_effects: list[SideEffectView]


@router.post("/{patient_id}/vitals", status_code=201)
async def record_vitals(patient_id: UUID, body: NewVitals, service: ServiceDep, who: Attending) -> JudgedVitals:
    """Record a reading; the answer says whether a dose may be given by the clinic's limits."""
    vitals_id = body.id or new_id()
    with refusals():
        async with service.transaction(actor=who.actor) as uow:
            reading = Reading(
                body.phase, body.taken_at or uow.now, body.systolic, body.diastolic, body.heart_rate, body.spo2
            )
            await audit(uow, action="write", what="chart.vitals", subject=patient_id)
            said = await session_day.record_vitals(uow, patient_id, vitals_id, reading, body.appointment_id)
    return JudgedVitals(
        vitals_id=vitals_id,
        hold=said.hold,
        flags=list(said.flags),
        urgent=said.urgent,
        repeat_at=said.repeat_at,
        repeats_left=said.repeats_left,
        provider_decides=said.provider_decides,
    )


@router.post("/{patient_id}/side-effects", status_code=201)
async def report_side_effect(
    patient_id: UUID, body: NewSideEffect, service: ServiceDep, who: Attending
) -> ReportedSideEffect:
    """Record what the patient feels; a severe one, and a danger sign, is a provider's task at once."""
    report_id = body.id or new_id()
    with refusals():
        async with service.transaction(actor=who.actor) as uow:
            await audit(uow, action="write", what="chart.side_effect", subject=patient_id)
            await session_day.report_effect(
                uow,
                patient_id,
                report_id,
                effect=body.effect,
                severity=body.severity,
                began_at=body.began_at or uow.now,
                note=body.note,
                appointment_id=body.appointment_id,
            )
    return ReportedSideEffect(report_id=report_id)


@router.get("/{patient_id}/observations")
async def observations(
    patient_id: UUID, service: ServiceDep, who: Reader, appointment_id: UUID | None = None
) -> Observed:
    """Vitals and side effects, of one appointment or all; the reading is audited."""
    with refusals():
        async with service.transaction(actor=who.actor) as uow:
            patient = await session_day.known(uow, patient_id)
            await audit(uow, action="read", what="chart.observations", subject=patient)
            box = await uow.keys.box(patient)
            vitals = await repository.vitals(uow.conn, patient, appointment_id)
            effects = await repository.effects(uow.conn, patient, appointment_id)
            return Observed(
                conditions=await session_day.conditions(uow, patient, box),
                vitals=[
                    VitalsView.model_validate(
                        {name: getattr(row, name) for name in VitalsView.model_fields if name != "by"}
                        | {"by": person_of(uow.clinic, row.author)}
                    )
                    for row in vitals
                ],
                side_effects=[
                    SideEffectView.model_validate(
                        {name: getattr(row, name) for name in SideEffectView.model_fields if name not in ("by", "note")}
                        | {"by": person_of(uow.clinic, row.author), "note": box.open(row.note) if row.note else ""}
                    )
                    for row in effects
                ],
            )
