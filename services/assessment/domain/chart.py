"""A chart's way: new → gathering → complete → decided, and back to gathering when what was assessed changes."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from services.assessment.domain.canonical import digest
from services.assessment.domain.decision import Approve, Ask, Assessed, Decision, Decline, Recommend, Signer, Terms
from services.assessment.domain.refusals import Conflicting, Invalid
from services.assessment.domain.screening import Finding, Resistance
from services.assessment.domain.sections import REQUIRED, SectionKind
from shared.contracts.assessment import (
    AlternativeRecommended,
    ApprovalExpired,
    ApprovalRevoked,
    CandidateApproved,
    CandidateDeclined,
    ChartReopened,
    MoreInformationRequested,
    Route,
    Severity,
)
from shared.contracts.base import Event

Seal = Callable[[str], str]


class State(StrEnum):
    """Where a chart stands."""

    NEW = "new"
    GATHERING = "gathering"
    COMPLETE = "complete"
    DECIDED = "decided"


@dataclass(frozen=True, slots=True)
class Approval:
    """An approval in force; `valid_until` is the moment from which it no longer holds."""

    id: UUID
    assessment_id: UUID
    decision_id: UUID
    route: Route
    sessions: int
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class Chart:
    """One patient's chart without its contents. `completed` counts assessments; `assessment` is the one that stands."""

    patient_id: UUID
    state: State = State.NEW
    completed: int = 0
    assessment: UUID | None = None
    approval: Approval | None = None


def changed(
    chart: Chart, *, kinds: Collection[str], raised: Collection[str], revoked_by: Collection[str], now: datetime
) -> tuple[Chart, ApprovalRevoked | ChartReopened | None]:
    """A section was saved with other content than before.

    An assessment that waits for its decision no longer stands; a chart that another decision closed is open again. An
    approval ends when a kind of change that the clinic
    named is among `kinds`, or when a hard or crisis flag was `raised` that the provider has not seen.
    """
    if chart.approval is not None:
        reasons = [f"changed:{kind}" for kind in sorted(kinds) if kind in revoked_by]
        reasons += [f"flag:{code}" for code in sorted(raised)]
        return revoked(chart, reasons[0], now=now) if reasons else (chart, None)
    if chart.state is State.DECIDED:
        return reopened(chart, now=now)
    return replace(chart, state=State.GATHERING, assessment=None), None


def revoked(chart: Chart, reason: str, *, now: datetime, detail: str | None = None) -> tuple[Chart, ApprovalRevoked]:
    """The approval no longer holds; what is ahead must not take place. `detail` is sealed already.

    Raises:
        Conflicting: no approval is in force.
    """
    if chart.approval is None:
        raise Conflicting("no_approval", "No approval is in force.", "Open the chart to see when and why it ended.")
    event = ApprovalRevoked(
        patient_id=chart.patient_id, approval_id=chart.approval.id, reason=reason, detail=detail, revoked_at=now
    )
    return replace(chart, state=State.GATHERING, assessment=None, approval=None), event


def expired(chart: Chart, approval_id: UUID, *, now: datetime) -> tuple[Chart, ApprovalExpired | None]:
    """The policy's days have passed. Nothing happens when another approval, or none, is in force by then."""
    if chart.approval is None or chart.approval.id != approval_id or chart.approval.valid_until > now:
        return chart, None
    event = ApprovalExpired(patient_id=chart.patient_id, approval_id=approval_id, expired_at=now)
    return replace(chart, state=State.GATHERING, assessment=None, approval=None), event


def reopened(chart: Chart, *, now: datetime) -> tuple[Chart, ChartReopened]:
    """The patient comes back after another decision than an approval; what was decided stays on record.

    Raises:
        Conflicting: nothing was decided, or an approval is in force.
    """
    if chart.approval is not None or chart.state is not State.DECIDED:
        raise Conflicting(
            "not_elsewhere",
            "This chart is not closed by a decision.",
            "Open the chart: it can be worked on as it is.",
        )
    event = ChartReopened(patient_id=chart.patient_id, reopened_at=now)
    return replace(chart, state=State.GATHERING, assessment=None), event


def completed(chart: Chart, *, assessment_id: UUID, present: Collection[SectionKind]) -> Chart:
    """The chart is ready for a provider.

    Raises:
        Conflicting: it already waits for a decision, or an approval is in force.
        Invalid: a required section was never saved.
    """
    if chart.approval is not None:
        raise Conflicting(
            "approval_in_force",
            "An approval is in force for this patient.",
            "Change what is no longer true, or revoke the approval; then the chart can be assessed again.",
        )
    if chart.state is State.COMPLETE:
        raise Conflicting("already_complete", "This assessment already waits for a provider's decision.")
    missing = [kind.value for kind in REQUIRED if kind not in present]
    if missing:
        raise Invalid(
            "sections_missing",
            f"Not recorded yet: {', '.join(missing)}.",
            "Record them first; an empty list is an answer.",
        )
    return replace(chart, state=State.COMPLETE, completed=chart.completed + 1, assessment=assessment_id)


def contents(
    patient_id: UUID,
    sections: Mapping[SectionKind, tuple[int, dict[str, Any]]],
    findings: Collection[Finding],
    resistance: Resistance,
    policy_hash: str,
) -> tuple[dict[str, Any], str]:
    """Everything that a provider decides about, and its SHA-256. `sections` gives each one's version and content."""
    value: dict[str, Any] = {
        "patient_id": str(patient_id),
        "sections": {kind.value: {"version": n, "content": content} for kind, (n, content) in sections.items()},
        "flags": [finding.as_json() for finding in findings],
        "resistance": resistance.as_json(),
        "policy_hash": policy_hash,
    }
    return value, digest(value)


def decided(
    chart: Chart,
    decision: Decision,
    assessed: Assessed,
    *,
    decision_id: UUID,
    signer: Signer,
    now: datetime,
    terms: Terms,
    seal: Seal,
) -> tuple[Chart, Event]:
    """What a checked and signed decision does to the chart, and the fact that the others hear."""
    common: dict[str, Any] = {
        "patient_id": chart.patient_id,
        "assessment_id": assessed.id,
        "assessment_hash": assessed.content_hash,
        "provider_id": signer.provider_id,
        "licence": signer.licence,
        "signed_at": now,
        "policy_hash": terms.policy_hash,
    }
    stands = replace(chart, state=State.DECIDED)
    match decision:
        case Approve():
            approval = Approval(
                decision_id, assessed.id, decision_id, decision.route, decision.sessions, now + terms.valid
            )
            event: Event = CandidateApproved(
                approval_id=approval.id,
                assessment_version=assessed.version,
                route=decision.route,
                sessions=decision.sessions,
                valid_until=approval.valid_until,
                conditions=seal(decision.conditions) if decision.conditions else None,
                **common,
            )
            return replace(stands, approval=approval), event
        case Recommend():
            return stands, AlternativeRecommended(
                decision_id=decision_id,
                alternative=decision.alternative,
                reason=seal(decision.reason),
                referral=seal(decision.referral) if decision.referral else None,
                follow_up_on=decision.follow_up_on,
                **common,
            )
        case Ask():
            again = replace(chart, state=State.GATHERING, assessment=None)
            return again, MoreInformationRequested(
                decision_id=decision_id,
                question=seal(decision.question),
                wanted=tuple(kind.value for kind in decision.wanted),
                **common,
            )
        case Decline():
            return stands, CandidateDeclined(decision_id=decision_id, reason=seal(decision.reason), **common)


def flags_changed(before: Collection[Finding], after: Collection[Finding]) -> bool:
    """Whether a flag that is more than information came or went."""
    return _speaking(before) != _speaking(after)


def _speaking(findings: Collection[Finding]) -> frozenset[str]:
    return frozenset(finding.code for finding in findings if finding.severity is not Severity.INFO)


def unseen(before: Collection[Finding], after: Collection[Finding]) -> tuple[str, ...]:
    """Hard and crisis flags that were not there before a change."""
    known = {finding.code for finding in before}
    return tuple(f.code for f in after if f.severity in (Severity.HARD, Severity.CRISIS) and f.code not in known)
