"""HTTP in. Every route names its roles; a decision also asks for a licence valid today and a fresh second factor."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from services.assessment import views
from services.assessment.domain.decision import AnyDecision, Reason
from services.assessment.domain.refusals import Conflicting, NotEntitled, Refused, Unknown
from services.assessment.domain.sections import Goals, History, Insurance, Section, SectionKind, Tried
from services.assessment.handlers import deciding, gathering, insuring, reading, resuming
from services.assessment.settings import settings_of
from shared.audit import audit
from shared.http.auth import Staff, staff
from shared.http.deps import ServiceDep
from shared.http.problems import Conflict, FieldProblem, Forbidden, Invalid, NotFound, Problem
from shared.service import Service

router = APIRouter(prefix="/api/v1/charts", tags=["charts"])

Reader = Annotated[Staff, Depends(staff("front_desk", "provider", "monitor", "auditor"))]
Writer = Annotated[Staff, Depends(staff("front_desk", "provider"))]
Signing = Annotated[Staff, Depends(staff("provider", step_up=True))]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Save(Body):
    """`version` is the one that was edited; 0 where the section was never saved."""

    version: Annotated[int, Field(ge=0, le=1_000_000)]


class SaveHistory(_Save):
    content: History


class SaveGoals(_Save):
    content: Goals


class SaveTried(_Save):
    content: Tried


class SaveInsurance(_Save):
    content: Insurance


class Revocation(Body):
    reason: Reason


class Clearance(Body):
    reason: Reason


class SavedView(BaseModel):
    """The version that stands now."""

    section: SectionKind
    version: int


class CompletedView(BaseModel):
    """What a decision has to name, all three."""

    assessment_id: UUID
    version: int
    hash: str


class SignedView(BaseModel):
    decision_id: UUID
    action: Literal["approve", "alternative", "more_information", "decline"]


class CheckView(BaseModel):
    check_id: UUID


class Done(BaseModel):
    done: Literal[True] = True


@contextmanager
def refusals() -> Iterator[None]:
    """What the domain refuses, as problem+json."""
    try:
        yield
    except Refused as refused:
        raise problem(refused) from refused


def problem(refused: Refused) -> Problem:
    """The same words, with the status that says what kind of refusal it is."""
    said: dict[str, Any] = {"code": refused.code, "remedy": refused.remedy or None}
    if refused.field:
        said["fields"] = [FieldProblem(refused.field, refused.detail, refused.remedy)]
    if isinstance(refused, Unknown):
        return NotFound(refused.detail, **said)
    if isinstance(refused, Conflicting):
        return Conflict(refused.detail, **said)
    if isinstance(refused, NotEntitled):
        return Forbidden(refused.detail, **said)
    return Invalid(refused.detail, **said)


@router.get("/{patient_id}")
async def read_chart(patient_id: UUID, service: ServiceDep, who: Reader) -> views.ChartView:
    """The whole chart: sections, flags with reasons, the current assessment, decisions. The reading is audited."""
    with refusals():
        async with service.transaction(actor=who.actor) as uow:
            return await reading.chart(uow, patient_id)


@router.get("/{patient_id}/sections/{kind}/{version}")
async def read_section(
    patient_id: UUID,
    kind: SectionKind,
    version: Annotated[int, Path(ge=1, le=1_000_000)],
    service: ServiceDep,
    who: Reader,
) -> views.SectionVersion:
    """One section as it was."""
    with refusals():
        async with service.transaction(actor=who.actor) as uow:
            return await reading.section(uow, patient_id, kind, version)


async def _save(
    service: Service, who: Staff, patient_id: UUID, kind: SectionKind, section: Section, version: int
) -> SavedView:
    with refusals():
        async with service.transaction(actor=who.actor) as uow:
            await audit(uow, action="write", what=f"chart.{kind}", subject=patient_id)
            row = await gathering.save(uow, patient_id, kind, section, version=version)
            if isinstance(section, Insurance) and row.version != version and settings_of(service).eligibility_url:
                await insuring.saved(uow, patient_id, section)
    return SavedView(section=row.kind, version=row.version)


@router.put("/{patient_id}/history")
async def save_history(patient_id: UUID, body: SaveHistory, service: ServiceDep, who: Writer) -> SavedView:
    """A new version; 409 names who saved in between."""
    return await _save(service, who, patient_id, SectionKind.HISTORY, body.content, body.version)


@router.put("/{patient_id}/goals")
async def save_goals(patient_id: UUID, body: SaveGoals, service: ServiceDep, who: Writer) -> SavedView:
    """A new version; 409 names who saved in between."""
    return await _save(service, who, patient_id, SectionKind.GOALS, body.content, body.version)


@router.put("/{patient_id}/tried")
async def save_tried(patient_id: UUID, body: SaveTried, service: ServiceDep, who: Writer) -> SavedView:
    """A new version; 409 names who saved in between."""
    return await _save(service, who, patient_id, SectionKind.TRIED, body.content, body.version)


@router.put("/{patient_id}/insurance")
async def save_insurance(patient_id: UUID, body: SaveInsurance, service: ServiceDep, who: Writer) -> SavedView:
    """A new version; 409 names who saved in between."""
    return await _save(service, who, patient_id, SectionKind.INSURANCE, body.content, body.version)


@router.post("/{patient_id}/insurance/check", status_code=202)
async def check_insurance(patient_id: UUID, service: ServiceDep, who: Writer) -> CheckView:
    """Have the payer asked now; the answer shows on the chart when it is there."""
    with refusals():
        if not settings_of(service).eligibility_url:
            raise Conflicting(
                "no_payer_connection",
                "This clinic has no connection to payers.",
                "Call the payer and record what they say.",
            )
        async with service.transaction(actor=who.actor) as uow:
            await audit(uow, action="write", what="chart.insurance.check", subject=patient_id)
            check_id = await insuring.request(uow, patient_id)
    return CheckView(check_id=check_id)


@router.post("/{patient_id}/reopen")
async def reopen(patient_id: UUID, service: ServiceDep, who: Writer) -> Done:
    """A patient who was elsewhere, or had been declined, comes back: the chart is gathered for a new decision."""
    with refusals():
        async with service.transaction(actor=who.actor) as uow:
            await audit(uow, action="write", what="chart.reopen", subject=patient_id)
            await resuming.reopen(uow, patient_id)
    return Done()


@router.post("/{patient_id}/complete", status_code=201)
async def complete(patient_id: UUID, service: ServiceDep, who: Writer) -> CompletedView:
    """Freeze what is known for a provider's decision."""
    with refusals():
        async with service.transaction(actor=who.actor) as uow:
            await audit(uow, action="write", what="chart.complete", subject=patient_id)
            row = await gathering.complete(uow, patient_id)
    return CompletedView(assessment_id=row.id, version=row.version, hash=row.content_hash)


@router.post("/{patient_id}/decision", status_code=201)
async def decide(patient_id: UUID, body: AnyDecision, service: ServiceDep, who: Signing) -> SignedView:
    """Sign: a provider whose licence is valid today, with a fresh second factor, about exactly the current version."""
    with refusals():
        async with service.transaction(actor=who.actor) as uow:
            await audit(uow, action="write", what=f"chart.decision.{body.action}", subject=patient_id)
            decision_id = await deciding.decide(uow, patient_id, body, who.id)
    return SignedView(decision_id=decision_id, action=body.action)


@router.post("/{patient_id}/approval/revoke")
async def revoke(patient_id: UUID, body: Revocation, service: ServiceDep, who: Signing) -> Done:
    """A provider takes the approval back; the sessions ahead are cancelled."""
    with refusals():
        async with service.transaction(actor=who.actor) as uow:
            await audit(uow, action="write", what="chart.revoke", subject=patient_id)
            await deciding.revoke(uow, patient_id, body.reason, who.id)
    return Done()


@router.post("/{patient_id}/concerns/{concern_id}/clear")
async def clear_concern(patient_id: UUID, concern_id: UUID, body: Clearance, service: ServiceDep, who: Signing) -> Done:
    """A clinician spoke with the patient and clears the concern."""
    with refusals():
        async with service.transaction(actor=who.actor) as uow:
            await audit(uow, action="write", what="chart.concern.clear", subject=patient_id)
            await deciding.clear_concern(uow, patient_id, concern_id, body.reason, who.id)
    return Done()
