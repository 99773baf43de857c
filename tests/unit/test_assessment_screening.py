"""What the clinic's rules say about a chart, and what they don't."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.assessment.domain.refusals import Invalid
from services.assessment.domain.screening import age, asked, check_conditions, findings, resistance
from services.assessment.domain.sections import Allergy, Condition, Diagnosis, History, Medication, Trial, Tried
from shared.clinic import load
from shared.clinic.errors import ClinicError
from shared.clinic.loader import parse, read
from shared.contracts.assessment import Severity

CLINIC = load(Path("deploy/clinics/harbor.toml"))
TODAY = date(2026, 12, 3)
SIX_WEEKS = timedelta(weeks=6)


def told(**more: Any) -> History:
    """The history of a grown-up."""
    return History(born=date(1980, 4, 2), **more)


def flags(history: History) -> dict[str, Severity]:
    return {found.code: found.severity for found in findings(CLINIC.screening, history, today=TODAY)}


def test_a_ticked_condition_speaks_with_its_reason_and_source():
    found = findings(
        CLINIC.screening, told(conditions=(Condition(code="CI_ANEURYSM", note="clipped in 2019"),)), today=TODAY
    )
    assert [f.code for f in found] == ["CI_ANEURYSM"]
    assert found[0].severity is Severity.HARD
    assert found[0].reason
    assert found[0].source
    assert found[0].because == "clipped in 2019"


def test_the_strongest_comes_first():
    history = told(
        conditions=tuple(Condition(code=code) for code in ("REL_SUD", "CI_PREGNANCY", "CRISIS_SI")),
        medications=(Medication(name="Sertraline"),),
    )
    severities = [found.severity for found in findings(CLINIC.screening, history, today=TODAY)]
    assert severities == [Severity.CRISIS, Severity.HARD, Severity.REVIEW, Severity.INFO]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Lamotrigine 100 mg", "IX_LAMOTRIGINE"),
        ("LAMICTAL XR", "IX_LAMOTRIGINE"),
        ("St. John's wort", "IX_CYP"),
        ("St John’s Wort", "IX_CYP"),
        ("Lamotrigina 100 mg", "IX_LAMOTRIGINE"),
        ("Fenitoína", "IX_CYP"),
        ("Fenelzina", "IX_MAOI"),
        ("metilfenidato", "IX_STIMULANT"),
        ("Oxicodona", "IX_DEPRESSANT"),
        ("tra\u200bmadol", "IX_DEPRESSANT"),
        ("St Johns Wort", "IX_CYP"),
        ("Percocet 5/325", "IX_DEPRESSANT"),
        ("Rivotril", "IX_BENZODIAZEPINE"),
        ("Fluvoxamine", "IX_ANTIDEPRESSANT"),
        ("Diazepamine-like tea", None),
        ("tramadol/acetaminophen", "IX_DEPRESSANT"),
    ],
)
def test_medication_is_found_by_whole_words(name, code):
    assert set(flags(told(medications=(Medication(name=name),)))) == ({code} if code else set())


@pytest.mark.parametrize(
    ("born", "expected"),
    [
        (date(2008, 12, 4), {"CI_AGE"}),
        (date(2008, 12, 3), set()),
        (date(1961, 12, 4), set()),
        (date(1961, 12, 3), {"REL_AGE65"}),
        (None, {"AGE_UNKNOWN"}),
    ],
)
def test_age_counts_to_the_day_and_an_unknown_one_is_said(born, expected):
    assert set(flags(History(born=born))) == expected


def test_an_unknown_age_speaks_as_strongly_as_one_that_is_too_low():
    assert flags(History()) == {"AGE_UNKNOWN": Severity.HARD}, "so an approval needs a reason that was written"
    (found,) = findings(CLINIC.screening, History(), today=TODAY)
    assert "18" in found.reason


def test_an_allergy_to_the_medicine_is_a_hard_flag_however_it_is_written():
    assert flags(told(allergies=(Allergy(substance="S-Ketamine"),))) == {"CI_ALLERGY": Severity.HARD}
    assert flags(told(allergies=(Allergy(substance="esketamina"),))) == {"CI_ALLERGY": Severity.HARD}
    for name in ("Spravato", "KETALAR (IV)", "ketamína", "keta\u200bmine"):
        assert flags(told(allergies=(Allergy(substance=name),))) == {"CI_ALLERGY": Severity.HARD}, name
    assert flags(told(allergies=(Allergy(substance="penicillin"),))) == {}


@pytest.mark.parametrize(
    ("code", "flagged"),
    [("F20.0", True), ("f25.1", True), ("F29", True), ("F250", True), ("F33.2", False), ("F2", False), (None, False)],
)
def test_a_psychotic_diagnosis_is_a_hard_flag_by_its_code(code, flagged):
    found = flags(told(diagnoses=(Diagnosis(name="as written", code=code),)))
    assert found == ({"CI_PSYCHOSIS": Severity.HARD} if flagged else {})


def test_the_words_name_the_clinics_own_numbers():
    data = read(Path("deploy/clinics/harbor.toml"))
    data["screening"]["limits"] |= {"bmi": 40, "diazepam_mg": 10}
    screening = parse(data, "harbor.toml").screening
    words = {found.code: f"{found.label} {found.reason}" for found in findings(
        screening,
        told(conditions=(Condition(code="REL_BMI35"),), medications=(Medication(name="Valium"),)), today=TODAY,
    )}  # fmt: skip
    assert "over 40" in words["REL_BMI35"]
    assert "10 mg of diazepam" in words["IX_BENZODIAZEPINE"]
    assert "{" not in "".join(rule.label + rule.reason for rule in asked(screening))
    data["screening"]["rules"][0]["reason"] = "Over {weight} kg"
    with pytest.raises(ClinicError, match="CI_ANEURYSM may hold the numbers"):
        parse(data, "harbor.toml")


def test_a_condition_the_clinic_does_not_know_is_refused_by_name():
    with pytest.raises(Invalid) as refused:
        check_conditions(CLINIC.screening, History(conditions=(Condition(code="CI_MADE_UP"),)))
    assert "CI_MADE_UP" in refused.value.detail
    with pytest.raises(Invalid):  # computed from the birth date, never ticked
        check_conditions(CLINIC.screening, History(conditions=(Condition(code="CI_AGE"),)))


def trial(name="Sertraline", **over) -> Trial:
    given_ = {
        "kind": "antidepressant", "name": name, "adequate_dose": True, "start": date(2026, 1, 1),
        "end": date(2026, 1, 1) + SIX_WEEKS, "adherence": "full", "outcome": "none",
    }  # fmt: skip
    return Trial(**(given_ | over))


def counted(*trials: Trial) -> int:
    return len(resistance(CLINIC.screening, Tried(trials=trials), today=TODAY).counted)


def test_two_adequate_antidepressants_are_treatment_resistance():
    found = resistance(CLINIC.screening, Tried(trials=(trial(), trial("Venlafaxine"))), today=TODAY)
    assert found.met
    assert found.counted == ("Sertraline", "Venlafaxine")
    assert not resistance(CLINIC.screening, Tried(trials=(trial(),)), today=TODAY).met
    assert not resistance(CLINIC.screening, None, today=TODAY).met


@pytest.mark.parametrize(
    "over",
    [
        {"end": date(2026, 1, 1) + SIX_WEEKS - timedelta(days=1)},
        {"adequate_dose": False},
        {"adequate_dose": None},
        {"start": None},
        {"kind": "therapy"},
        {"current_episode": False},
        {"adherence": "poor"},
        {"outcome": "remission"},
        {"outcome": "response"},
        {"outcome": "unknown"},
        {"adherence": "unknown"},
    ],
)
def test_what_was_too_short_too_weak_unknown_or_helped_does_not_count(over):
    assert counted(trial(**over)) == 0


def test_the_same_drug_twice_counts_once_and_a_running_one_until_today():
    assert counted(trial(), trial(" sertraline ")) == 1
    assert counted(trial(), trial("Zoloft"), trial("sertralina"), trial("Sertraline 200 mg")) == 1
    assert counted(trial("Agomelatine 25 mg"), trial("agomelatine 50mg")) == 1
    assert counted(trial("Venlafaxine XR"), trial("Desvenlafaxine")) == 2
    assert counted(trial(start=TODAY - SIX_WEEKS, end=None)) == 1
    assert counted(trial(start=TODAY - SIX_WEEKS + timedelta(days=1), end=None)) == 0


@given(born=st.dates(min_value=date(1900, 1, 1), max_value=TODAY), days=st.integers(0, 20_000))
def test_age_never_runs_backwards_and_rises_by_one_at_most(born, days):
    day = born + timedelta(days=days)
    years = age(born, day)
    assert years >= 0
    assert age(born, day + timedelta(days=1)) - years in (0, 1)


@given(st.lists(st.sampled_from([rule.code for rule in CLINIC.screening.rules]), unique=True, max_size=10))
def test_findings_do_not_depend_on_the_order_of_entry(codes):
    there = told(conditions=tuple(Condition(code=code) for code in codes))
    back = told(conditions=tuple(Condition(code=code) for code in reversed(codes)))
    assert findings(CLINIC.screening, there, today=TODAY) == findings(CLINIC.screening, back, today=TODAY)
