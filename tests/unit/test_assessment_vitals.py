"""Readings against the clinic's limits."""

from datetime import UTC, datetime, timedelta

import pytest

from services.assessment.domain.vitals import Hold, Reading, judge
from shared.clinic.screening import Vitals

AT = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)
LIMITS = Vitals()


def read(phase="baseline", held_before=0, **values):
    return judge(LIMITS, Reading(phase, AT, **values), held_before=held_before)


@pytest.mark.parametrize(
    ("values", "hold", "flags"),
    [
        ({"systolic": 140, "diastolic": 90}, Hold.NONE, ()),
        ({"systolic": 141, "diastolic": 80}, Hold.SOFT, ("BP_SOFT",)),
        ({"systolic": 120, "diastolic": 91}, Hold.SOFT, ("BP_SOFT",)),
        ({"systolic": 160, "diastolic": 80}, Hold.HARD, ("BP_HARD", "BP_SOFT")),
        ({"systolic": 130, "diastolic": 100}, Hold.HARD, ("BP_HARD", "BP_SOFT")),
        ({"systolic": 180}, Hold.HARD, ("BP_ESCALATE", "BP_HARD", "BP_SOFT")),
        ({"heart_rate": 50, "spo2": 94}, Hold.NONE, ()),
        ({"heart_rate": 49}, Hold.NONE, ("HR_LOW",)),
        ({"heart_rate": 111}, Hold.NONE, ("HR_HIGH",)),
        ({"spo2": 93}, Hold.NONE, ("SPO2_ALERT",)),
        ({"spo2": 89}, Hold.NONE, ("SPO2_EMERGENCY", "SPO2_ALERT")),
    ],
)
def test_each_limit_speaks_at_its_own_number(values, hold, flags):
    said = read(**values)
    assert (said.hold, said.flags) == (hold, flags)


def test_a_soft_hold_is_repeated_three_times_and_then_a_provider_decides():
    said = [read(systolic=150, held_before=n) for n in range(4)]
    assert [each.repeats_left for each in said] == [3, 2, 1, 0]
    assert [each.provider_decides for each in said] == [False, False, False, True]
    assert said[0].repeat_at == AT + timedelta(minutes=10)
    assert said[3].repeat_at is None


def test_a_hard_hold_is_a_provider_s_at_once_and_after_the_dose_only_danger_is_urgent():
    assert read(systolic=165).provider_decides
    assert not read("observation", systolic=165).provider_decides
    assert not read("observation", systolic=165).urgent
    assert read("observation", systolic=182).urgent
    assert read("observation", spo2=88).urgent
