from pathlib import Path

from services.intake.agreements import TEXTS, agreement
from shared.clinic import load
from shared.contracts.intake import ConsentKind


def test_every_text_is_there_in_every_language():
    assert TEXTS.missing() == []


CLINIC = load(Path("deploy/clinics/harbor.toml"))


def test_an_agreement_is_proven_by_the_hash_of_the_very_words():
    english = agreement(CLINIC, ConsentKind.SMS, "en")
    spanish = agreement(CLINIC, ConsentKind.SMS, "es")
    assert CLINIC.name in english.words
    assert len(english.hash) == 64
    assert english.hash != spanish.hash
