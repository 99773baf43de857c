"""What assessment's API shows: the shapes, and how rows become them."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from services.assessment.domain.sections import Goals, History, Insurance, SectionKind, Tried
from shared.clinic.model import Clinic
from shared.contracts.assessment import Route, Severity

PATIENT = "patient"
Action = Literal["approve", "alternative", "more_information", "decline"]


class View(BaseModel):
    """Frozen; times are UTC."""

    model_config = ConfigDict(frozen=True)


class Author(View):
    """Who did it: the actor's code and the name that people know."""

    id: str
    name: str


class VersionView(View):
    section: SectionKind
    version: int
    by: Author
    at: datetime


class SectionView(View):
    """A section as it stands. `version` goes back with the next save."""

    version: int
    by: Author
    at: datetime


class HistoryView(SectionView):
    content: History


class GoalsView(SectionView):
    content: Goals


class TriedView(SectionView):
    content: Tried


class InsuranceView(SectionView):
    content: Insurance


class Sections(View):
    """What was never saved is null."""

    history: HistoryView | None = None
    goals: GoalsView | None = None
    tried: TriedView | None = None
    insurance: InsuranceView | None = None


class SectionVersion(SectionView):
    """A section as it was in one version."""

    section: SectionKind
    content: dict[str, Any]


class FlagView(View):
    """A screening rule that applies: advisory, with its reason, its source, and because of which entry."""

    code: str
    severity: Severity
    label: str
    reason: str
    source: str
    because: str


class ResistanceView(View):
    """Antidepressants that were tried long enough at an adequate dose and did not help, of how many needed."""

    counted: list[str]
    needed: int
    met: bool


class AssessmentView(View):
    """A completed version; `assessed` is its content. A decision can be about it only while it is `current`."""

    id: UUID
    version: int
    hash: str
    policy_hash: str
    completed_at: datetime
    completed_by: Author
    current: bool
    assessed: dict[str, Any]


class DecisionView(View):
    """A signed decision. `verified` says whether the record still is what was signed."""

    id: UUID
    assessment_id: UUID
    action: Action
    provider: Author
    licence: str
    licence_state: str
    signed_at: datetime
    policy_hash: str
    decision: dict[str, Any]
    digest: str
    verified: bool


class ApprovalView(View):
    id: UUID
    route: Route
    sessions: int
    valid_until: datetime
    state: Literal["in_force", "revoked", "expired"]
    ended_at: datetime | None
    reason: str | None


class ConcernView(View):
    """A safety concern; open until a clinician cleared it with a reason."""

    id: UUID
    kind: str
    level: Literal["low", "moderate", "high"]
    raised_at: datetime
    raised_by: Author
    cleared_at: datetime | None
    cleared_by: Author | None
    reason: str | None


class EligibilityView(View):
    """The newest question to the payer. `advice` are codes of what to do next; amounts are US dollars as text."""

    state: Literal["waiting", "answered", "gave_up", "replaced"]
    asked_at: datetime
    asked_by: Author
    attempts: int
    checked_at: datetime | None
    status: Literal["active", "inactive", "rejected", "unknown"] | None
    codes: list[str]
    problem: str | None
    advice: list[str] = []
    plan: str = ""
    copay: str | None = None
    coinsurance: str | None = None
    deductible: str | None = None
    out_of_pocket: str | None = None
    prior_authorisation: Literal["required", "not_required", "unknown"] = "unknown"


class ConsentView(View):
    """A signed consent. `verified`: the record still is what was signed; `newest`: its text is the one of today."""

    id: UUID
    route: Route
    text_hash: str
    version: str
    language: str
    name: str
    signed_at: datetime
    ended_at: datetime | None
    ended: Literal["withdrawn", "replaced"] | None
    verified: bool
    newest: bool


class ConditionChoice(View):
    """A condition that is asked, from the clinic's file."""

    code: str
    label: str
    severity: Severity
    reason: str


class CourseChoice(View):
    """What an approval can say here."""

    routes: list[Route]
    sessions_min: int
    sessions_max: int
    sessions_default: int
    valid_days: int


class Choices(View):
    """What the clinic's file allows to be entered and decided."""

    conditions: list[ConditionChoice]
    course: CourseChoice


class ChartView(View):
    """A whole chart as it stands. `told` is when the patient last sent each step of their own page."""

    patient_id: UUID
    state: Literal["new", "gathering", "complete", "decided"]
    sections: Sections
    versions: list[VersionView]
    missing: list[SectionKind]
    flags: list[FlagView]
    resistance: ResistanceView
    assessment: AssessmentView | None
    decisions: list[DecisionView]
    approval: ApprovalView | None
    approvals: list[ApprovalView]
    concerns: list[ConcernView]
    eligibility: EligibilityView | None
    consents: list[ConsentView]
    told: dict[str, datetime]
    choices: Choices


def person_of(clinic: Clinic, actor: str) -> Author:
    """The name behind an actor's code; the code itself where the clinic's file has nobody."""
    if actor == PATIENT:
        return Author(id=actor, name="The patient")
    try:
        return Author(id=actor, name=clinic.person(actor.removeprefix("staff:")).name)
    except KeyError:
        return Author(id=actor, name=actor)


def choices(clinic: Clinic, asked: list[ConditionChoice]) -> Choices:
    """The clinic's own bounds."""
    course = clinic.course
    return Choices(
        conditions=asked,
        course=CourseChoice(
            routes=[Route(route) for route in clinic.appointments.routes],
            sessions_min=course.sessions_min,
            sessions_max=course.sessions_max,
            sessions_default=course.sessions_default,
            valid_days=clinic.approval.valid_days,
        ),
    )
