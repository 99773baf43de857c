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
    """The rule's code in the clinic file: `CI_ANEURYSM`."""
    severity: Severity
    """How strongly it speaks."""


class InsuranceVerified(PatientEvent):
    """An eligibility answer, or a person's entry. "active" never means that a treatment is covered.

    `details` seals a JSON object with plan, payer and amounts.
    """

    verification_id: UUID
    """This answer, for good."""
    status: Literal["active", "inactive", "rejected", "unknown", "self_pay"]
    """What is known of the policy on that day; `self_pay`: the patient pays without one."""
    by: Literal["payer", "staff"]
    """`payer`: answered over the clearing house. `staff`: somebody entered it."""
    checked_at: Moment
    """When it was asked or entered."""
    details: Sealed | None = None
    """A JSON object: payer, plan, member id, amounts; sealed."""
    codes: tuple[Code, ...] = ()
    """The payer's own codes for what it answered or why it did not; empty where staff wrote it."""


class AssessmentCompleted(PatientEvent):
    """A version of the chart is ready for a provider's decision. `content_hash` is what a decision is bound to."""

    assessment_id: UUID
    """This version of the chart, for good."""
    version: int = Field(ge=1)
    """Counts the patient's completed assessments from 1."""
    content_hash: Hash
    """The digest of what was assessed, hexadecimal; a decision names the same."""
    flags: tuple[Flag, ...] = ()
    """The screening rules that apply."""
    policy_hash: Hash
    """SHA-256 of the clinic file under which it was screened, hexadecimal."""


class CandidateApproved(PatientEvent):
    """A licensed provider approved exactly this assessment version. `conditions` are the provider's words."""

    approval_id: UUID
    """This approval, for good; sessions name it."""
    assessment_id: UUID
    """What was decided on."""
    assessment_version: int = Field(ge=1)
    """Its version."""
    assessment_hash: Hash
    """Its `content_hash`."""
    route: Route
    """The route that is approved; no other."""
    sessions: int = Field(ge=1, le=24)
    """How many sessions, 1 to 24."""
    provider_id: Code
    """Who signed: their id in the clinic file."""
    licence: Code
    """The licence number under which they signed."""
    signed_at: Moment
    """When they signed."""
    valid_until: Moment
    """Until when it may be used, by the clinic file's days."""
    conditions: Sealed | None = None
    """Under which conditions, in the provider's words; sealed."""
    policy_hash: Hash
    """SHA-256 of the clinic file under which it was signed, hexadecimal."""


class CandidateDeclined(PatientEvent):
    """A licensed provider decided against treatment here."""

    decision_id: UUID
    """This decision, for good."""
    assessment_id: UUID
    """What was decided on."""
    assessment_hash: Hash
    """Its `content_hash`."""
    provider_id: Code
    """Who signed: their id in the clinic file."""
    licence: Code
    """The licence number under which they signed."""
    signed_at: Moment
    """When they signed."""
    reason: Sealed
    """Why, in the provider's words; sealed."""
    policy_hash: Hash
    """SHA-256 of the clinic file under which it was signed, hexadecimal."""


class AlternativeRecommended(PatientEvent):
    """A licensed provider recommends something else first; the patient stays known under "elsewhere"."""

    decision_id: UUID
    """This decision, for good."""
    assessment_id: UUID
    """What was decided on."""
    assessment_hash: Hash
    """Its `content_hash`."""
    alternative: Alternative
    """What is recommended first."""
    provider_id: Code
    """Who signed: their id in the clinic file."""
    licence: Code
    """The licence number under which they signed."""
    signed_at: Moment
    """When they signed."""
    reason: Sealed
    """Why, in the provider's words; sealed."""
    referral: Sealed | None = None
    """To whom they are referred; sealed."""
    follow_up_on: date | None = None
    """The day on which the clinic asks again, in its zone; null: not."""
    policy_hash: Hash
    """SHA-256 of the clinic file under which it was signed, hexadecimal."""


class MoreInformationRequested(PatientEvent):
    """The provider cannot decide yet; `question` says what is missing in their words, `wanted` names chart sections."""

    decision_id: UUID
    """This decision, for good."""
    assessment_id: UUID
    """What was decided on."""
    assessment_hash: Hash
    """Its `content_hash`."""
    provider_id: Code
    """Who signed: their id in the clinic file."""
    licence: Code
    """The licence number under which they signed."""
    signed_at: Moment
    """When they signed."""
    question: Sealed
    """What is missing, in the provider's words; sealed."""
    wanted: tuple[Code, ...] = ()
    """The sections of the chart that are to be filled in: `history`, `tried`, `insurance`, …"""
    policy_hash: Hash
    """SHA-256 of the clinic file under which it was signed, hexadecimal."""


class ApprovalRevoked(PatientEvent):
    """An approval no longer holds: what was assessed changed, or a provider took it back."""

    approval_id: UUID
    """The approval that ended."""
    reason: Code
    """`provider`: taken back. `changed:<section>`, `flag:<rule>`: what was assessed is no longer so."""
    detail: Sealed | None = None
    """Why, in words; sealed."""
    revoked_at: Moment
    """When it ended."""


class ApprovalExpired(PatientEvent):
    """The policy's days have passed since the signature."""

    approval_id: UUID
    """The approval that ended."""
    expired_at: Moment
    """When its days were over."""


class VitalsRecorded(PatientEvent):
    """One reading. Pressure in mmHg, heart rate in beats per minute, SpO2 in percent."""

    vitals_id: UUID
    """This reading, for good."""
    appointment_id: UUID | None = None
    """The session in which it was taken; null outside of one."""
    phase: Code
    """`baseline` (before the dose), `observation` or `discharge`."""
    taken_at: Moment
    """When it was measured."""
    systolic: int | None = Field(default=None, ge=20, le=350)
    """Upper blood pressure in mmHg; null: not measured."""
    diastolic: int | None = Field(default=None, ge=10, le=250)
    """Lower blood pressure in mmHg; null: not measured."""
    heart_rate: int | None = Field(default=None, ge=10, le=350)
    """Beats per minute; null: not measured."""
    spo2: int | None = Field(default=None, ge=30, le=100)
    """Oxygen saturation in percent; null: not measured."""


class SideEffectReported(PatientEvent):
    """What the patient felt, how strongly and since when."""

    report_id: UUID
    """This report, for good."""
    appointment_id: UUID | None = None
    """The session after which it was felt, if one."""
    effect: Code
    """What was felt: `nausea`, `dizziness`, …, one of the clinic's list."""
    severity: Literal["mild", "moderate", "severe"]
    """How strongly, by the patient's word or the staff's eye."""
    began_at: Moment
    """Since when."""
    note: Sealed | None = None
    """In the words of who reported it; sealed."""


class OutcomeMeasured(PatientEvent):
    """A total of a named instrument at an occasion of the course."""

    measurement_id: UUID
    """This measurement, for good."""
    instrument: Code
    """The questionnaire, by its code in the clinic file: `phq-9`, …"""
    total: int = Field(ge=0, le=1000)
    """Its sum, in the instrument's own points."""
    band: Code | None = None
    """What the instrument calls such a total: `moderate`, …"""
    occasion: Code
    """When in the course: `baseline`, `session-3`, …"""
    measured_at: Moment
    """When it was filled in."""


class SafetyConcernRaised(PatientEvent):
    """Somebody may be in danger. Only a named clinician clears it."""

    concern_id: UUID
    """This concern, for good; clearing names it again."""
    kind: Code
    """The screening rule that spoke, by its code."""
    level: Literal["low", "moderate", "high"]
    """How grave it is held to be."""
    raised_at: Moment
    """When it became known."""


class SafetyConcernCleared(PatientEvent):
    """A clinician spoke with the patient and cleared the concern."""

    concern_id: UUID
    """The concern, as it was raised."""
    provider_id: Code
    """The clinician who spoke with the patient: their id in the clinic file."""
    cleared_at: Moment
    """When it was cleared."""
    reason: Sealed
    """Why there is no danger, in their words; sealed."""


class TreatmentConsentSigned(PatientEvent):
    """The patient signed the text with this hash, for sessions by this route; an earlier signature is replaced."""

    consent_id: UUID
    """This signature, for good."""
    route: Route
    """The route that they agree to."""
    text_hash: Hash
    """SHA-256 of the very words that they signed, hexadecimal."""
    text_version: Code
    """The version of these words in the clinic file."""
    language: Language
    """The language in which they read them."""
    signed_at: Moment
    """When they signed."""


class TreatmentConsentWithdrawn(PatientEvent):
    """The patient took it back, or the clinic did for them; effective at once."""

    consent_id: UUID
    """The signature that no longer holds."""
    route: Route
    """The route that they no longer agree to."""
    withdrawn_at: Moment
    """When it was taken back."""


class ChartReopened(PatientEvent):
    """A patient who was elsewhere, or had been declined, is assessed again. What was decided stays on record."""

    reopened_at: Moment
    """When."""
