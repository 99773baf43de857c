"""Rows as the repository gives and takes them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.assessment.domain.sections import SectionKind
from shared.contracts.assessment import Route


@dataclass(frozen=True, slots=True)
class SectionRow:
    """One saved version of a section; `content` is sealed JSON."""

    kind: SectionKind
    version: int
    content: str
    author: str
    saved_at: datetime


@dataclass(frozen=True, slots=True)
class VersionRow:
    """Who saved which version when."""

    kind: SectionKind
    version: int
    author: str
    saved_at: datetime


@dataclass(frozen=True, slots=True)
class AssessmentRow:
    """A completed assessment; `content` is sealed JSON, what `content_hash` is over."""

    id: UUID
    patient_id: UUID
    version: int
    content: str
    content_hash: str
    policy_hash: str
    completed_by: str
    completed_at: datetime


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A signed decision; `statement` is sealed canonical JSON."""

    id: UUID
    patient_id: UUID
    assessment_id: UUID
    action: str
    provider_id: str
    licence: str
    licence_state: str
    signed_at: datetime
    policy_hash: str
    statement: str
    digest: str
    signature: str


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """An approval and what became of it."""

    id: UUID
    decision_id: UUID
    route: Route
    sessions: int
    valid_until: datetime
    state: str
    ended_at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class ConcernRow:
    """A safety concern; `reason` is why it was cleared, sealed."""

    id: UUID
    kind: str
    level: str
    raised_at: datetime
    raised_by: str
    cleared_at: datetime | None
    cleared_by: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class VitalsRow:
    """One reading and what the clinic's limits said about it then."""

    id: UUID
    patient_id: UUID
    appointment_id: UUID | None
    phase: str
    taken_at: datetime
    systolic: int | None
    diastolic: int | None
    heart_rate: int | None
    spo2: int | None
    hold: str
    flags: list[str]
    author: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class SideEffectRow:
    """What the patient felt; `note` is sealed."""

    id: UUID
    patient_id: UUID
    appointment_id: UUID | None
    effect: str
    severity: str
    began_at: datetime
    note: str | None
    author: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class CheckRow:
    """A question to the payer; `figures` is sealed JSON."""

    id: UUID
    patient_id: UUID
    state: str
    attempts: int
    asked_by: str
    asked_at: datetime
    checked_at: datetime | None
    status: str | None
    codes: list[str]
    figures: str | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class ConsentRow:
    """A signed consent; `name` is sealed. `ended` says how it ended, where it did."""

    id: UUID
    patient_id: UUID
    route: Route
    text_hash: str
    version: str
    language: str
    name: str
    signed_at: datetime
    signed_by: str
    signature: str
    ended_at: datetime | None
    ended: str | None
