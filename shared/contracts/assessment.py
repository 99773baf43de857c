"""What assessment publishes: what is known, and what a licensed provider decided about it."""

from datetime import date
from enum import StrEnum
from typing import Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.base import Code, Contract, Hash, Language, Moment, PatientEvent, Sealed


class Route(StrEnum):
    """How a session's medicine is taken."""

    IM = "im"
    LOZENGE = "lozenge"


class Alternative(StrEnum):
    """What a provider may recommend instead."""

    MEDICATION = "medication"
    CBT = "cbt"
    DBT = "dbt"
    EMDR = "emdr"
    OTHER = "other"


class Severity(StrEnum):
    """How strongly a screening rule speaks; it never decides."""

    INFO = "info"
    REVIEW = "review"
    HARD = "hard"
    CRISIS = "crisis"


class Flag(Contract):
    """A screening rule that applies; advisory."""

    code: Code
    severity: Severity


class InsuranceVerified(PatientEvent):
    """An eligibility answer, or a person's entry. "active" never means that a treatment is covered.

    `details` seals a JSON object with plan, payer and amounts.
    """

    verification_id: UUID
    status: Literal["active", "inactive", "rejected", "unknown", "self_pay"]
    by: Literal["payer", "staff"]
    checked_at: Moment
    details: Sealed | None = None
    codes: tuple[Code, ...] = ()


class AssessmentCompleted(PatientEvent):
    """A version of the chart is ready for a provider's decision. `content_hash` is what a decision is bound to."""

    assessment_id: UUID
    version: int = Field(ge=1)
    content_hash: Hash
    flags: tuple[Flag, ...] = ()
    policy_hash: Hash


class CandidateApproved(PatientEvent):
    """A licensed provider approved exactly this assessment version. `conditions` are the provider's words."""

    approval_id: UUID
    assessment_id: UUID
    assessment_version: int = Field(ge=1)
    assessment_hash: Hash
    route: Route
    sessions: int = Field(ge=1, le=24)
    provider_id: Code
    licence: Code
    signed_at: Moment
    valid_until: Moment
    conditions: Sealed | None = None
    policy_hash: Hash


class CandidateDeclined(PatientEvent):
    """A licensed provider decided against treatment here."""

    decision_id: UUID
    assessment_id: UUID
    assessment_hash: Hash
    provider_id: Code
    licence: Code
    signed_at: Moment
    reason: Sealed
    policy_hash: Hash


class AlternativeRecommended(PatientEvent):
    """A licensed provider recommends something else first; the patient stays known under "elsewhere"."""

    decision_id: UUID
    assessment_id: UUID
    assessment_hash: Hash
    alternative: Alternative
    provider_id: Code
    licence: Code
    signed_at: Moment
    reason: Sealed
    referral: Sealed | None = None
    follow_up_on: date | None = None
    policy_hash: Hash


class MoreInformationRequested(PatientEvent):
    """The provider cannot decide yet; `question` says what is missing in their words, `wanted` names chart sections."""

    decision_id: UUID
    assessment_id: UUID
    assessment_hash: Hash
    provider_id: Code
    licence: Code
    signed_at: Moment
    question: Sealed
    wanted: tuple[Code, ...] = ()
    policy_hash: Hash


class ApprovalRevoked(PatientEvent):
    """An approval no longer holds: what was assessed changed, or a provider took it back."""

    approval_id: UUID
    reason: Code
    detail: Sealed | None = None
    revoked_at: Moment


class ApprovalExpired(PatientEvent):
    """The policy's days have passed since the signature."""

    approval_id: UUID
    expired_at: Moment


class VitalsRecorded(PatientEvent):
    """One reading. Pressure in mmHg, heart rate in beats per minute, SpO2 in percent."""

    vitals_id: UUID
    appointment_id: UUID | None = None
    phase: Code
    taken_at: Moment
    systolic: int | None = Field(default=None, ge=20, le=350)
    diastolic: int | None = Field(default=None, ge=10, le=250)
    heart_rate: int | None = Field(default=None, ge=10, le=350)
    spo2: int | None = Field(default=None, ge=30, le=100)


class SideEffectReported(PatientEvent):
    """What the patient felt, how strongly and since when."""

    report_id: UUID
    appointment_id: UUID | None = None
    effect: Code
    severity: Literal["mild", "moderate", "severe"]
    began_at: Moment
    note: Sealed | None = None


class OutcomeMeasured(PatientEvent):
    """A total of a named instrument at an occasion of the course."""

    measurement_id: UUID
    instrument: Code
    total: int = Field(ge=0, le=1000)
    band: Code | None = None
    occasion: Code
    measured_at: Moment


class SafetyConcernRaised(PatientEvent):
    """Somebody may be in danger. Only a named clinician clears it."""

    concern_id: UUID
    kind: Code
    level: Literal["low", "moderate", "high"]
    raised_at: Moment


class SafetyConcernCleared(PatientEvent):
    """A clinician spoke with the patient and cleared the concern."""

    concern_id: UUID
    provider_id: Code
    cleared_at: Moment
    reason: Sealed


class TreatmentConsentSigned(PatientEvent):
    """The patient signed the text with this hash, for sessions by this route; an earlier signature is replaced."""

    consent_id: UUID
    route: Route
    text_hash: Hash
    text_version: Code
    language: Language
    signed_at: Moment


class TreatmentConsentWithdrawn(PatientEvent):
    """The patient took it back, or the clinic did for them; effective at once."""

    consent_id: UUID
    route: Route
    withdrawn_at: Moment


class ChartReopened(PatientEvent):
    """A patient who was elsewhere, or had been declined, is assessed again. What was decided stays on record."""

    reopened_at: Moment
