"""What staff press: each action that sends something asks first, can be undone, or was filled in by hand."""

import re
from pathlib import Path

import pytest

TEMPLATES = Path(__file__).parents[2] / "services" / "dashboard" / "templates"
FORM = re.compile(r'<form\b[^>]*method="post"[^>]*>.*?</form>', re.DOTALL)
ASKS = ("confirm=", "undo=", "data-confirm", '"_booking_times.html"')
BY_HAND = ("ui.field(", "ui.select(", "ui.radios(", "parts.fields(")
ITSELF = {
    "_start.html": "the other button of the page takes it back",
    "start.html": "the other button takes it back",
    "decision.html": "the next page is the question",
    "decision_confirm.html": "the page is the question",
    "stop.html": "the page is the question",
    "letter.html": "tried again, it works or stays where it is",
}
"""Where there is nothing to ask."""


@pytest.mark.parametrize("name", sorted(path.name for path in TEMPLATES.glob("*.html")))
def test_no_button_acts_without_a_question_or_a_way_back(name: str) -> None:
    for form in FORM.findall((TEMPLATES / name).read_text()):
        assert any(mark in form for mark in (*ASKS, *BY_HAND)) or name in ITSELF, form
