"""The sections of a chart: history, goals, what was tried, insurance.

Each saved section is a whole new version. Input refuses unknown fields; what was stored is read tolerantly (`read`).
"""

import unicodedata
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from shared.contracts.base import Code


def _readable(text: str) -> str:
    """Letters of any script, but nothing that hides or reorders what a clinician reads."""
    for char in text:
        if char in "\n\t":
            continue
        if (
            unicodedata.category(char) in {"Cc", "Cs"}
            or char in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
        ):
            raise ValueError("contains a character that cannot be kept; please type the text again")
    return text


Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_readable)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=8000), AfterValidator(_readable)]

Short = Annotated[str, StringConstraints(strip_whitespace=True, max_length=80), AfterValidator(_readable)]


class SectionKind(StrEnum):
    """What a chart is made of."""

    HISTORY = "history"
    GOALS = "goals"
    TRIED = "tried"
    INSURANCE = "insurance"


REQUIRED = (SectionKind.HISTORY, SectionKind.GOALS, SectionKind.TRIED)
"""Without these nothing can be decided. Insurance never blocks a patient: it is shown as not recorded."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Condition(_Part):
    """A screening rule that a person answered with yes, and what they said about it."""

    code: Code
    note: Words = ""


class Diagnosis(_Part):
    """A diagnosis in words, with its ICD-10-CM code where somebody knows it."""

    name: Line
    code: Code | None = None


class Medication(_Part):
    """What the patient takes now."""

    name: Line
    dose: Words = ""
    since: date | None = None


class Allergy(_Part):
    """What the patient must not be given."""

    substance: Line
    reaction: Words = ""


class History(_Part):
    """Medical history. `notes` is what did not fit a field; patients see and write `own_words` instead."""

    born: date | None = None
    conditions: tuple[Condition, ...] = Field(default=(), max_length=60)
    diagnoses: tuple[Diagnosis, ...] = Field(default=(), max_length=60)
    medications: tuple[Medication, ...] = Field(default=(), max_length=60)
    allergies: tuple[Allergy, ...] = Field(default=(), max_length=60)
    notes: Words = ""
    own_words: Words = ""

    @model_validator(mode="after")
    def _each_condition_once(self) -> "History":
        codes = [condition.code for condition in self.conditions]
        if len(codes) != len(set(codes)):
            raise ValueError("a condition is listed twice; keep one of them")
        return self


class Goals(_Part):
    """What the patient hopes for, in their words, and who stands by them."""

    hopes: Annotated[Words, Field(min_length=1)]
    reasons: tuple[Code, ...] = Field(default=(), max_length=20)
    support: Words = ""


class Trial(_Part):
    """One treatment that was tried. `adequate_dose` is a person's judgement; null means nobody knows."""

    kind: Literal["antidepressant", "medication", "therapy", "other"]
    name: Line
    dose: Words = ""
    adequate_dose: bool | None = None
    current_episode: bool = True
    start: date | None = None
    end: date | None = None
    adherence: Literal["full", "partial", "poor", "unknown"] = "unknown"
    outcome: Literal["none", "partial", "response", "remission", "worse", "side_effects", "unknown"] = "unknown"
    note: Words = ""

    @model_validator(mode="after")
    def _ends_after_it_began(self) -> "Trial":
        if self.start and self.end and self.end < self.start:
            raise ValueError("the end lies before the start")
        return self


class Tried(_Part):
    """What was tried so far; an empty list is an answer too."""

    trials: tuple[Trial, ...] = Field(default=(), max_length=80)
    notes: Words = ""
    own_words: Words = ""


class Insurance(_Part):
    """The plan as a person read it. "active" says nothing about coverage of a treatment.

    `payer_id` is the payer's electronic id, where the card has one; `holder` the name on the card, first name first,
    and `holder_born` that person's birthday where the plan is not the patient's own.
    """

    status: Literal["active", "inactive", "unknown", "self_pay"]
    payer: Words = ""
    payer_id: Short = ""
    member_id: Words = ""
    holder: Words = ""
    holder_born: date | None = None
    plan: Words = ""
    note: Words = ""

    @model_validator(mode="after")
    def _names_the_payer(self) -> "Insurance":
        if self.status in {"active", "inactive"} and not self.payer:
            raise ValueError("name the payer, or choose unknown or self-pay")
        return self


Section = History | Goals | Tried | Insurance
MODELS: dict[SectionKind, type[History] | type[Goals] | type[Tried] | type[Insurance]] = {
    SectionKind.HISTORY: History,
    SectionKind.GOALS: Goals,
    SectionKind.TRIED: Tried,
    SectionKind.INSURANCE: Insurance,
}


def read(kind: SectionKind, stored: Any) -> Section:
    """A section as it was stored, also by a newer version of this program."""
    return MODELS[kind].model_validate(stored, extra="ignore")


def dump(section: Section) -> dict[str, Any]:
    """The section as plain JSON values."""
    return section.model_dump(mode="json")
