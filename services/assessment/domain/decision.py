"""The decision of a licensed provider about exactly one completed version of a chart."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.assessment.domain.canonical import digest
from services.assessment.domain.refusals import Conflicting, Invalid, NotEntitled
from services.assessment.domain.sections import Line, SectionKind, Words
from shared.clinic.people import Person
from shared.contracts.assessment import Alternative, Route, Severity
from shared.contracts.base import Code, Hash

Reason = Annotated[Words, Field(min_length=1)]


class _Bound(BaseModel):
    """Every decision names what it was made about; all three must be the current ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    assessment_id: UUID
    assessment_version: int = Field(ge=1)
    assessment_hash: Hash


class Approve(_Bound):
    """Sessions by one route. `acknowledged` gives a reason for each hard or crisis flag that was assessed."""

    action: Literal["approve"]
    route: Route
    sessions: int = Field(ge=1, le=24)
    conditions: Words = ""
    acknowledged: dict[Code, Line] = Field(default_factory=dict, max_length=40)


class Recommend(_Bound):
    """Something else first. The patient stays known; `follow_up_on` is a day in the clinic's zone."""

    action: Literal["alternative"]
    alternative: Alternative
    reason: Reason
    referral: Words = ""
    follow_up_on: date | None = None


class Ask(_Bound):
    """Not yet: `question` says what is missing, `wanted` in which sections."""

    action: Literal["more_information"]
    question: Reason
    wanted: tuple[SectionKind, ...] = Field(default=(), max_length=4)


class Decline(_Bound):
    """No treatment here."""

    action: Literal["decline"]
    reason: Reason


Decision = Approve | Recommend | Ask | Decline
AnyDecision = Annotated[Decision, Field(discriminator="action")]


@dataclass(frozen=True, slots=True)
class Signer:
    """The provider who signs, with the licence that is valid on the day of signing."""

    provider_id: str
    licence: str
    licence_state: str


@dataclass(frozen=True, slots=True)
class Assessed:
    """A completed version of the chart: what a decision is bound to."""

    id: UUID
    version: int
    content_hash: str
    flags: tuple[tuple[str, Severity], ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """What the clinic's file allows an approval to say. `valid` counts from the signature."""

    routes: tuple[str, ...]
    sessions_min: int
    sessions_max: int
    valid: timedelta
    policy_hash: str


def check(decision: Decision, assessed: Assessed | None, *, crisis_open: bool, terms: Terms, today: date) -> Assessed:
    """Refuse what was decided about another version or beyond the clinic's rules.

    Raises:
        Conflicting: the assessment is not the current one, or a safety concern is open.
        Invalid: a route that isn't offered, sessions out of bounds, an unexplained flag, a follow-up in the past.
    """
    if assessed is None:
        raise Conflicting(
            "nothing_to_decide", "This chart has no completed assessment.", "Complete the assessment first."
        )
    bound = (decision.assessment_id, decision.assessment_version, decision.assessment_hash)
    if bound != (assessed.id, assessed.version, assessed.content_hash):
        raise Conflicting(
            "assessment_changed",
            "The chart changed after you opened it; your decision was about an older version.",
            "Open the chart again, read what changed, and decide on the current version.",
        )
    if isinstance(decision, Approve):
        _check_approval(decision, assessed, crisis_open, terms)
    if isinstance(decision, Recommend) and decision.follow_up_on is not None and decision.follow_up_on <= today:
        raise Invalid("follow_up_past", "The follow-up day has passed.", "Choose a day after today.", "follow_up_on")
    return assessed


def already_decided() -> Conflicting:
    """One decision per version, whoever clicks twice."""
    return Conflicting(
        "already_decided", "This version of the assessment has been decided already.", "Open the chart to read it."
    )


def _check_approval(decision: Approve, assessed: Assessed, crisis_open: bool, terms: Terms) -> None:
    if crisis_open:
        raise Conflicting(
            "safety_concern_open",
            "A safety concern is open for this patient.",
            "Speak with the patient and clear the concern before you approve.",
        )
    if decision.route.value not in terms.routes:
        raise Invalid("route_not_offered", "This clinic doesn't offer that route.", "Choose another route.", "route")
    if not terms.sessions_min <= decision.sessions <= terms.sessions_max:
        raise Invalid(
            "sessions_out_of_bounds",
            f"The clinic's course has {terms.sessions_min} to {terms.sessions_max} sessions.",
            "Choose a number within these bounds.",
            "sessions",
        )
    open_flags = [code for code in must_acknowledge(assessed) if code not in decision.acknowledged]
    if open_flags:
        raise Invalid(
            "flags_not_acknowledged",
            f"Not answered yet: {', '.join(open_flags)}.",
            "Give your reason for each of these flags, or choose another decision.",
            "acknowledged",
        )


def must_acknowledge(assessed: Assessed) -> tuple[str, ...]:
    """The flags that an approval has to answer with a reason, one by one."""
    return tuple(code for code, severity in assessed.flags if severity in (Severity.HARD, Severity.CRISIS))


@dataclass(frozen=True, slots=True)
class Signed:
    """An immutable record: `statement` is everything that was signed, `digest` its SHA-256."""

    id: UUID
    statement: dict[str, Any]
    digest: str


def sign(
    decision: Decision, *, decision_id: UUID, patient_id: UUID, signer: Signer, now: datetime, policy_hash: str
) -> Signed:
    """Write down what is signed: the decision, about what, by whom under which licence and policy, and when."""
    statement: dict[str, Any] = {
        "decision_id": str(decision_id),
        "patient_id": str(patient_id),
        "decision": decision.model_dump(mode="json"),
        "provider_id": signer.provider_id,
        "licence": {"number": signer.licence, "state": signer.licence_state},
        "policy_hash": policy_hash,
        "signed_at": now.isoformat(),
    }
    return Signed(decision_id, statement, digest(statement))


def signer(person: Person | None, today: date) -> Signer:
    """Who may sign today: a provider of the clinic's file whose licence is valid on this day in the clinic's zone.

    Raises:
        NotEntitled: says which of these is missing.
    """
    if person is None or "provider" not in person.roles:
        raise NotEntitled("not_a_provider", "Only a provider of this clinic can sign.", "Ask a provider to decide.")
    licence = person.licence
    if licence is None or not person.licensed_on(today):
        raise NotEntitled(
            "licence_not_valid",
            "Your licence is not valid today." if licence else "The clinic's file has no licence for you.",
            "Ask operations to enter the renewed licence, or another provider to decide.",
        )
    return Signer(person.id, licence.number, licence.state)
