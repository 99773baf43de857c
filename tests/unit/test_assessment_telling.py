"""What a patient's page makes of a section: nothing that staff know is lost by it."""

from datetime import date

from services.assessment.domain.sections import MODELS, History, Medication, SectionKind, Trial, Tried, dump
from services.assessment.domain.telling import LISTS, told


def form_of(name: str, rows: list[dict]) -> dict[str, str]:
    """The page's fields as they are shown and sent back untouched."""
    shown = [{field: row.get(field) or "" for field in LISTS[name]} for row in rows]
    return {f"{name}-{n}-{field}": value for n, row in enumerate(shown) for field, value in row.items()}


def test_the_same_drug_tried_twice_keeps_what_staff_know_of_each():
    once = Trial(kind="antidepressant", name="Sertraline", adequate_dose=True, start=date(2019, 1, 1), note="2019")
    again = once.model_copy(update={"adequate_dose": False, "note": "2024", "start": date(2024, 1, 1)})
    before = Tried(trials=(once, again))
    content = told("tried", form_of("trials", dump(before)["trials"]), [], before, frozenset())
    assert MODELS[SectionKind.TRIED].model_validate(content) == before


def test_every_row_that_a_section_holds_comes_back_from_the_page():
    before = History(medications=tuple(Medication(name=f"Medicine {n}") for n in range(60)))
    content = told("medicines", form_of("medications", dump(before)["medications"]), [], before, frozenset())
    assert MODELS[SectionKind.HISTORY].model_validate(content) == before
