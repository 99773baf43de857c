"""Codes in the reader's words: what the clinic's file calls them, with its numbers."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.dashboard.domain.phrase import Phrase
from services.dashboard.words import Words
from shared.clinic.loader import load
from shared.web.dates import Dates
from shared.web.i18n import Texts

ROOT = Path(__file__).parents[2]
CLINIC = load(ROOT / "deploy/clinics/harbor.toml")
TEXTS = Texts([ROOT / "shared/web/texts", ROOT / "services/dashboard/texts"])
SAY = Words(TEXTS, "en", CLINIC, Dates("en", CLINIC.tz, datetime(2026, 12, 1, tzinfo=UTC), TEXTS))


def test_a_flag_is_called_as_in_the_clinics_file_with_its_number():
    assert SAY(Phrase("flag.REL_AGE65")) == "65 or older"
    assert SAY(Phrase("flag.IX_MAOI")) == "MAO inhibitor"


@pytest.mark.parametrize("rule", [*CLINIC.screening.rules, *CLINIC.screening.interactions], ids=lambda one: one.code)
def test_no_flag_shows_what_stands_for_a_number(rule):
    assert "{" not in SAY(Phrase(f"flag.{rule.code}"))


def test_a_code_that_nobody_knows_is_shown_as_it_is():
    assert SAY(Phrase("flag.OF_ANOTHER_YEAR")) == "OF ANOTHER YEAR"
