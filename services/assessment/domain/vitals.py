"""A reading against the clinic's limits: what it says about a dose, and when somebody must come at once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from shared.clinic.screening import Vitals as Limits

Phase = Literal["baseline", "observation", "discharge"]
"""Before the dose, after it, and before going home."""


class Hold(StrEnum):
    """Whether a dose may be given: not above the soft limit until repeated, not at the hard one without a signature."""

    NONE = "none"
    SOFT = "soft"
    HARD = "hard"


@dataclass(frozen=True, slots=True)
class Reading:
    """Pressure in mmHg, heart rate in beats per minute, SpO2 in percent; null was not measured."""

    phase: Phase
    taken_at: datetime
    systolic: int | None = None
    diastolic: int | None = None
    heart_rate: int | None = None
    spo2: int | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the limits say. `urgent`: a provider comes now. `repeat_at`: measure again then, if `repeats_left`."""

    hold: Hold
    flags: tuple[str, ...]
    urgent: bool
    repeat_at: datetime | None
    repeats_left: int
    provider_decides: bool


def judge(limits: Limits, reading: Reading, *, held_before: int) -> Judgement:
    """Judge a reading. `held_before` counts earlier readings before the same dose that were held too.

    Above the soft limit: repeat after `repeat_after_minutes`, at most `repeats` times, then a provider decides. At the
    hard limit a provider decides at once. The numbers are the clinic's file's.
    """
    flags = _flags(limits, reading)
    hold = Hold.HARD if "BP_HARD" in flags or "BP_ESCALATE" in flags else Hold.SOFT if "BP_SOFT" in flags else Hold.NONE
    left = max(0, limits.repeats - held_before) if hold is Hold.SOFT and reading.phase == "baseline" else 0
    repeat_at = reading.taken_at + timedelta(minutes=limits.repeat_after_minutes) if left else None
    decides = reading.phase == "baseline" and (hold is Hold.HARD or (hold is Hold.SOFT and not left))
    return Judgement(hold, flags, bool({"BP_ESCALATE", "SPO2_EMERGENCY"} & set(flags)), repeat_at, left, decides)


def _flags(limits: Limits, it: Reading) -> tuple[str, ...]:
    said = {
        "BP_ESCALATE": _at(it.systolic, limits.escalate_systolic) or _at(it.diastolic, limits.escalate_diastolic),
        "BP_HARD": _at(it.systolic, limits.hard_systolic) or _at(it.diastolic, limits.hard_diastolic),
        "BP_SOFT": _over(it.systolic, limits.soft_systolic) or _over(it.diastolic, limits.soft_diastolic),
        "HR_LOW": it.heart_rate is not None and it.heart_rate < limits.heart_rate_low,
        "HR_HIGH": _over(it.heart_rate, limits.heart_rate_high),
        "SPO2_EMERGENCY": it.spo2 is not None and it.spo2 < limits.spo2_emergency,
        "SPO2_ALERT": it.spo2 is not None and it.spo2 < limits.spo2_alert,
    }
    return tuple(code for code, applies in said.items() if applies)


def _at(value: int | None, limit: int) -> bool:
    return value is not None and value >= limit


def _over(value: int | None, limit: int) -> bool:
    return value is not None and value > limit
