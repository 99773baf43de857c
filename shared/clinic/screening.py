"""Screening rules, interactions, instruments, vitals and gates: what the software flags. A provider decides."""

from functools import cached_property
from typing import Annotated, Literal, TypeVar

from pydantic import Field, model_validator

from shared.clinic.basis import PROPOSED, UNCHECKED, Basis, published, single
from shared.clinic.part import Part

Code = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{1,40}$")]
Severity = Literal["info", "review", "hard", "crisis"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9 -]+$")]
"""A medicine's name by which lists are searched: lower case, without accents."""


class ScreeningRule(Part):
    """A condition, how strongly it speaks, why, and who says so. `until` names what lifts a hard flag."""

    code: Code
    label: Annotated[str, Field(min_length=3, max_length=200)]
    severity: Severity
    reason: Annotated[str, Field(min_length=3, max_length=400)]
    source: Annotated[str, Field(min_length=1, max_length=200)]
    basis: Basis
    until: Literal["controlled", "cleared"] | None = None


class Interaction(Part):
    """A group of substances, with the names by which a medication list is searched (lower case)."""

    code: Code
    label: Annotated[str, Field(min_length=3, max_length=200)]
    names: Annotated[tuple[Name, ...], Field(min_length=1)]
    severity: Severity
    reason: Annotated[str, Field(min_length=3, max_length=400)]
    source: Annotated[str, Field(min_length=1, max_length=200)]
    basis: Basis


class Limits(Part):
    """Numbers that the rules compare with."""

    adult_age: Annotated[int, Field(ge=0, le=120), published("Spravato label: adults")] = 18
    older_age: Annotated[int, Field(ge=18, le=120), UNCHECKED] = 65
    bmi: Annotated[int, Field(ge=10, le=100), single("one clinic's criteria")] = 35
    substance_months: Annotated[int, Field(ge=0, le=120), single("criteria met in the last 3 months")] = 3
    resistant_after: Annotated[int, Field(ge=1, le=10), published("two or more antidepressants")] = 2
    adequate_weeks: Annotated[int, Field(ge=1, le=52), single("at least 6 weeks at a therapeutic dose")] = 6
    diazepam_mg: Annotated[int, Field(ge=0, le=200), published("over 8 mg a day lowers the effect")] = 8
    phq9_item9: Annotated[int, Field(ge=1, le=3), PROPOSED] = 1


Named = TypeVar("Named", ScreeningRule, Interaction)


class Screening(Part):
    """All rules of the clinic, unique by code. In labels and reasons `{bmi}` stands for that number of `limits`.

    `same_medicine` lists, for each medicine, the names that it goes by; who tried two of them tried one medicine.
    """

    rules: Annotated[tuple[ScreeningRule, ...], Field(min_length=1)]
    interactions: tuple[Interaction, ...] = ()
    same_medicine: tuple[Annotated[tuple[Name, ...], Field(min_length=2)], ...] = ()
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _unique(self) -> "Screening":
        _refuse_twice([rule.code for rule in self.rules] + [interaction.code for interaction in self.interactions])
        for rule in self.rules:
            self._worded(rule)
        for interaction in self.interactions:
            self._worded(interaction)
        return self

    @cached_property
    def worded(self) -> tuple[ScreeningRule, ...]:
        """The rules as people read them, with their numbers."""
        return tuple(self._worded(rule) for rule in self.rules)

    @cached_property
    def worded_interactions(self) -> tuple[Interaction, ...]:
        """The interactions as people read them, with their numbers."""
        return tuple(self._worded(one) for one in self.interactions)

    def _worded(self, rule: Named) -> Named:
        numbers = self.limits.model_dump()
        try:
            words = {name: getattr(rule, name).format_map(numbers) for name in ("label", "reason")}
        except (KeyError, ValueError, IndexError, AttributeError):
            known = ", ".join(f"{{{name}}}" for name in numbers)
            raise ValueError(f"the words of {rule.code} may hold the numbers {known}, and no other braces") from None
        return rule.model_copy(update=words)

    def rule(self, code: str) -> ScreeningRule:
        """The rule with this code.

        Raises:
            KeyError: the clinic has no such rule.
        """
        found = next((rule for rule in self.rules if rule.code == code), None)
        if found is None:
            raise KeyError(code)
        return found


class Band(Part):
    """From this total on, up to the next band."""

    from_total: Annotated[int, Field(ge=0, le=1000, alias="from")]
    label: Annotated[str, Field(min_length=1, max_length=60)]


class Instrument(Part):
    """A questionnaire's totals. `text` says whether its items may be shown, or only a total taken."""

    code: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,20}$")]
    label: Annotated[str, Field(min_length=1, max_length=60)]
    maximum: Annotated[int, Field(ge=1, le=1000)]
    bands: Annotated[tuple[Band, ...], Field(min_length=1)]
    text: Literal["items", "items_with_notice", "total_only"]
    response_drop_percent: Annotated[int, Field(ge=1, le=100)] | None = None
    response_drop: Annotated[int, Field(ge=1, le=1000)] | None = None
    meaningful_drop: Annotated[int, Field(ge=1, le=1000)] | None = None
    remission_below: Annotated[int, Field(ge=1, le=1000)] | None = None
    positive_from: Annotated[int, Field(ge=1, le=1000)] | None = None
    positive_from_women: Annotated[int, Field(ge=1, le=1000)] | None = None
    source: Annotated[str, Field(min_length=1, max_length=200)]
    basis: Basis

    @model_validator(mode="after")
    def _bands_rise_from_zero(self) -> "Instrument":
        starts = [band.from_total for band in self.bands]
        if starts[0] != 0 or starts != sorted(set(starts)):
            raise ValueError(
                f"bands of {self.code} start at {starts}: begin with 0 and let each start higher than the last"
            )
        if starts[-1] > self.maximum:
            raise ValueError(f"the last band of {self.code} starts above its maximum ({self.maximum})")
        return self

    def band(self, total: int) -> str:
        """The band of a total.

        Raises:
            ValueError: the total is not between 0 and the instrument's maximum.
        """
        if not 0 <= total <= self.maximum:
            raise ValueError(f"{self.label} is between 0 and {self.maximum}")
        return [band.label for band in self.bands if band.from_total <= total][-1]


Pressure = Annotated[int, Field(ge=60, le=260)]


class Vitals(Part):
    """Limits on the day. Pressure in mmHg, heart rate in beats per minute, SpO2 in percent, times in minutes."""

    soft_systolic: Annotated[Pressure, published("hold above 140/90")] = 140
    soft_diastolic: Annotated[int, Field(ge=40, le=160), published("hold above 140/90")] = 90
    repeat_after_minutes: Annotated[int, Field(ge=1, le=120), PROPOSED] = 10
    repeats: Annotated[int, Field(ge=1, le=10), PROPOSED] = 3
    hard_systolic: Annotated[Pressure, PROPOSED] = 160
    hard_diastolic: Annotated[int, Field(ge=40, le=160), PROPOSED] = 100
    escalate_systolic: Annotated[Pressure, PROPOSED] = 180
    escalate_diastolic: Annotated[int, Field(ge=40, le=160), PROPOSED] = 110
    heart_rate_low: Annotated[int, Field(ge=20, le=100), PROPOSED] = 50
    heart_rate_high: Annotated[int, Field(ge=60, le=220), PROPOSED] = 110
    spo2_alert: Annotated[int, Field(ge=50, le=100), PROPOSED] = 94
    spo2_emergency: Annotated[int, Field(ge=50, le=100), PROPOSED] = 90
    after_dose_minutes: Annotated[tuple[Annotated[int, Field(ge=0, le=600)], ...], PROPOSED] = (15, 30, 45, 60)
    then_every_minutes: Annotated[int, Field(ge=5, le=240), PROPOSED] = 30

    @model_validator(mode="after")
    def _in_order(self) -> "Vitals":
        for name in ("systolic", "diastolic"):
            soft, hard, escalate = (getattr(self, f"{level}_{name}") for level in ("soft", "hard", "escalate"))
            if not soft < hard < escalate:
                raise ValueError(f"soft_{name} < hard_{name} < escalate_{name} must hold: correct the one that is off")
        if not self.spo2_emergency < self.spo2_alert:
            raise ValueError("spo2_emergency must lie under spo2_alert")
        return self


class Gate(Part):
    """What must be true before a dose or before going home; `override` says whether a provider may sign past it."""

    code: Literal["approval", "consents", "escort", "risk", "pregnancy", "vitals", "fasting", "escort_present"]
    label: Annotated[str, Field(min_length=3, max_length=120)]
    before: Literal["dose", "discharge"]
    override: Literal["never", "provider"]
    basis: Basis


def _refuse_twice(codes: list[str]) -> None:
    twice = sorted({code for code in codes if codes.count(code) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} appears more than once: keep one of each code")
