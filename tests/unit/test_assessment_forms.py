"""Forms without JavaScript become the JSON of assessment's API; what was left empty is left out."""

from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import FormData

from services.assessment.domain.sections import MODELS, SectionKind
from services.dashboard.pages.chart_forms import ROWS, content, decision, label_of, rows


def test_rows_that_say_nothing_are_left_out_and_keep_their_neighbours_apart():
    columns = [("Zinc", "", ""), (" ", "5 mg", "2026-01-01"), ("Sertraline ", "100 mg", "2025-03-01")]
    names = ("medications_name", "medications_dose", "medications_since")
    form = FormData([pair for row in columns for pair in zip(names, row, strict=True)])
    assert rows(form, "medications") == [
        {"name": "Zinc", "dose": "", "since": None},
        {"name": "Sertraline", "dose": "100 mg", "since": "2025-03-01"},
    ]


def test_a_condition_brings_its_own_note():
    form = FormData(
        [
            ("condition", "CI_ICP"),
            ("condition", "REL_CV"),
            ("note_REL_CV", "AF in 2020"),
            ("note_REL_SUD", "not ticked"),
        ]
    )
    assert content("history", form)["conditions"] == [
        {"code": "CI_ICP", "note": ""},
        {"code": "REL_CV", "note": "AF in 2020"},
    ]


def test_an_empty_form_is_a_section_wherever_nothing_is_required():
    for kind in (SectionKind.HISTORY, SectionKind.TRIED):
        MODELS[kind].model_validate(content(kind.value, FormData()))


def test_each_decision_carries_what_it_is_bound_to_and_only_its_own_fields():
    about = [("assessment_id", "x"), ("assessment_version", "3"), ("assessment_hash", "ab")]
    base = {"assessment_id": "x", "assessment_version": 3, "assessment_hash": "ab"}
    approve = [
        ("action", "approve"),
        ("route", "im"),
        ("sessions", "6"),
        ("reason_CI_ICP", "ok"),
        ("reason_CI_BP", " "),
    ]
    assert decision(FormData(about + approve)) == base | {
        "action": "approve", "route": "im", "sessions": 6, "conditions": "", "acknowledged": {"CI_ICP": "ok"},
    }  # fmt: skip
    assert decision(FormData([*about, ("action", "decline"), ("reason", "no"), ("sessions", "6")])) == base | {
        "action": "decline", "reason": "no",
    }  # fmt: skip
    later = [("action", "alternative"), ("alternative", "cbt"), ("reason", "r"), ("follow_up_on", "")]
    assert decision(FormData(about + later))["follow_up_on"] is None


def test_a_refused_field_is_named_by_what_its_label_says():
    assert label_of("content.trials.2.start") == ("trial_start", 3)
    assert label_of("content.medications.0.name") == ("medication_name", 1)
    assert label_of("content.born") == ("born", None)
    assert label_of("content.trials.0") == ("tried", 1)
    assert label_of("version") == ("", None)


fields = st.sampled_from([f"{name}_{field}" for name, each in ROWS.items() for field in each] + ["born", "note", "x"])


@given(st.lists(st.tuples(fields, st.text(max_size=20)), max_size=30))
def test_no_form_is_too_odd_to_be_read(items):
    for kind in ("history", "goals", "tried", "insurance"):
        content(kind, FormData(items))
    decision(FormData(items))
