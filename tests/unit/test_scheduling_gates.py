"""The gates of a session's day, by their facts alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.scheduling.domain import gates
from services.scheduling.domain.gates import Facts, Gate, Reading, Standing
from shared.clinic import load
from shared.ids import new_id
from tests.support.world import CLINIC

NOW = datetime(2026, 6, 2, 16, 0, tzinfo=UTC)
WATCHED = timedelta(minutes=120)
clinic = load(CLINIC)


def reading(systolic: int = 124, diastolic: int = 80, minutes: int = 0, phase: str = "baseline") -> Reading:
    return Reading(new_id(), phase, NOW + timedelta(minutes=minutes), systolic, diastolic, 72, 98)


GOOD = Facts(
    approved=True,
    consented=True,
    newest_text=True,
    concern=False,
    ride=True,
    answers={"solids": True, "fluids": True, "alcohol": True},
    attested=frozenset({"pregnancy"}),
    readings=(reading(),),
)


def dosing(facts: Facts) -> dict[str, Gate]:
    return {gate.code: gate for gate in gates.before_dose(clinic.gates, clinic.vitals, facts)}


def leaving(facts: Facts, minutes: int) -> dict[str, Gate]:
    now = NOW + timedelta(minutes=minutes)
    return {gate.code: gate for gate in gates.before_discharge(clinic.gates, clinic.vitals, facts, now, WATCHED)}


def test_everything_holds_when_everything_is_so() -> None:
    found = dosing(GOOD)
    assert list(found) == ["approval", "consents", "escort", "risk", "pregnancy", "vitals", "fasting"]
    assert {gate.standing for gate in found.values()} == {Standing.HOLDS}


@pytest.mark.parametrize(
    ("change", "code", "because", "may_sign"),
    [
        ({"approved": False}, "approval", "approval-missing", False),
        ({"consented": False, "newest_text": False}, "consents", "consent-missing", False),
        ({"newest_text": False}, "consents", "consent-outdated", False),
        ({"concern": True}, "risk", "concern-open", False),
        ({"ride": False}, "escort", "escort-unconfirmed", True),
        ({"attested": frozenset()}, "pregnancy", "pregnancy-unasked", True),
        ({"answers": {}}, "fasting", "fasting-unasked", False),
        ({"answers": {"solids": False}}, "fasting", "fasting-broken", True),
        ({"readings": ()}, "vitals", "vitals-missing", False),
        ({"readings": (Reading(new_id(), "baseline", NOW, 120, 80),)}, "vitals", "vitals-incomplete", False),
        ({"readings": (reading(141),)}, "vitals", "pressure-soft", True),
        ({"readings": (reading(124, 100),)}, "vitals", "pressure-hard", True),
    ],
)
def test_a_gate_names_its_reason_and_who_may_go_past_it(
    change: dict[str, object], code: str, because: str, may_sign: bool
) -> None:
    facts = replace(GOOD, **change)
    gate = dosing(facts)[code]
    assert (gate.standing, gate.because, gate.may_sign) == (Standing.OPEN, because, may_sign)
    signed = replace(facts, signed=frozenset({(code, because, gate.evidence)}))
    assert dosing(signed)[code].passed is may_sign, "only what the policy lets be signed past"


def test_a_soft_pressure_is_repeated_three_times_and_then_a_provider_decides() -> None:
    readings = tuple(reading(145, minutes=10 * n) for n in range(4))
    for count in (1, 2, 3):
        gate = dosing(replace(GOOD, readings=readings[:count]))["vitals"]
        assert (gate.because, gate.repeat_at) == ("pressure-soft", NOW + timedelta(minutes=10 * count))
    gate = dosing(replace(GOOD, readings=readings))["vitals"]
    assert (gate.because, gate.repeat_at) == ("pressure-still-soft", None)
    calm = (*readings, reading(132, minutes=40))
    assert dosing(replace(GOOD, readings=calm))["vitals"].passed


def test_a_soft_pressure_that_is_repeated_before_its_time_is_measured_once_more() -> None:
    high, early, later = reading(145), reading(132, minutes=4), reading(130, minutes=10)
    gate = dosing(replace(GOOD, readings=(high, early)))["vitals"]
    assert (gate.because, gate.repeat_at) == ("repeated-too-soon", NOW + timedelta(minutes=10))
    assert gate.may_sign, "a provider decides"
    assert dosing(replace(GOOD, readings=(high, early, later)))["vitals"].passed


def test_a_repeat_in_the_minute_that_was_told_counts() -> None:
    first = replace(reading(145), taken_at=NOW + timedelta(seconds=50))
    assert dosing(replace(GOOD, readings=(first, reading(132, minutes=10))))["vitals"].passed


def test_a_signature_is_for_the_reading_that_was_seen() -> None:
    first, second = reading(165), reading(190, minutes=5)
    facts = replace(GOOD, readings=(first,), signed=frozenset({("vitals", "pressure-hard", str(first.id))}))
    assert dosing(facts)["vitals"].standing is Standing.SIGNED
    assert dosing(replace(facts, readings=(first, second)))["vitals"].standing is Standing.OPEN


def test_what_may_be_missing_is_unknown_and_nobody_signs_past_it() -> None:
    facts = replace(
        GOOD, unheard=frozenset({"assessment", "notifications"}), signed=frozenset({("escort", "facts-behind", "")})
    )
    found = dosing(facts)
    assert {code for code, gate in found.items() if gate.standing is Standing.UNKNOWN} == {
        "approval", "consents", "escort", "risk", "vitals", "fasting",
    }  # fmt: skip
    assert not any(gate.may_sign or gate.passed for code, gate in found.items() if code != "pregnancy")


def test_going_home_takes_time_calm_vitals_and_the_escort() -> None:
    given = replace(GOOD, dosed_at=NOW)
    assert [gate.because for gate in leaving(given, 60).values()] == ["observing", "escort-absent"]
    assert leaving(given, 120)["observation"].because == "unmeasured"
    high = replace(given, readings=(*GOOD.readings, reading(170, minutes=110)))
    assert leaving(high, 120)["observation"].because == "unstable"
    calm = replace(given, readings=(*high.readings, reading(minutes=118)), escort_present=True)
    assert all(gate.passed for gate in leaving(calm, 120).values())
    assert leaving(calm, 119)["observation"].may_sign


@pytest.mark.parametrize(
    ("last", "because"),
    [
        ((None, None, 72, 98), "vitals-incomplete"),
        ((118, None, 72, 98), "vitals-incomplete"),
        ((118, 76, 72, None), "vitals-incomplete"),
        ((118, 76, None, 98), "vitals-incomplete"),
        ((118, 76, 124, 98), "unstable"),
        ((118, 76, 72, 93), "unstable"),
        ((118, 76, 72, 98), ""),
    ],
)
def test_nobody_goes_home_on_vitals_that_are_not_all_there_or_not_calm(
    last: tuple[int | None, ...], because: str
) -> None:
    one = Reading(new_id(), "discharge", NOW + timedelta(minutes=119), *last)
    given = replace(GOOD, dosed_at=NOW, readings=(*GOOD.readings, one))
    assert leaving(given, 120)["observation"].because == because


def test_nobody_goes_home_on_vitals_of_long_ago() -> None:
    """They are taken every 30 minutes until the way home; the pressure is highest half an hour and more after."""
    early = replace(GOOD, dosed_at=NOW, readings=(*GOOD.readings, reading(minutes=15)))
    gate = leaving(early, 120)["observation"]
    assert (gate.because, gate.may_sign) == ("measured-long-ago", True)
    alone = Reading(new_id(), "observation", NOW + timedelta(minutes=118), heart_rate=70)
    assert leaving(replace(early, readings=(*early.readings, alone)), 120)["observation"].because == gate.because
    again = replace(early, readings=(*early.readings, reading(minutes=100)))
    assert leaving(again, 120)["observation"].passed


def test_a_signature_to_go_home_early_is_for_what_was_measured_until_then() -> None:
    calm, high = reading(minutes=45), reading(172, minutes=60)
    given = replace(GOOD, dosed_at=NOW, readings=(*GOOD.readings, calm))
    seen = leaving(given, 50)["observation"]
    signed = replace(given, signed=frozenset({("observation", seen.because, seen.evidence)}))
    assert leaving(signed, 55)["observation"].standing is Standing.SIGNED
    worse = replace(signed, readings=(*signed.readings, high))
    assert leaving(worse, 61)["observation"].standing is Standing.OPEN


def test_vitals_are_due_often_at_first_and_a_reading_counts_for_one_time() -> None:
    taken = [reading(minutes=minutes) for minutes in (13, 31)]
    found = gates.due(clinic.vitals, NOW, NOW + WATCHED, taken)
    assert [(one.at - NOW) // timedelta(minutes=1) for one in found] == [15, 30, 45, 60, 90, 120]
    assert [one.done for one in found] == [True, True, False, False, False, False]
