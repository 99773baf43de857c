from services.intake.agreements import TEXTS, agreement
from shared.contracts.intake import ConsentKind


def test_every_text_is_there_in_every_language():
    assert TEXTS.missing() == []


class Somewhere:
    name = "Harbor Clinic"


def test_an_agreement_is_proven_by_the_hash_of_the_very_words():
    english = agreement(Somewhere, ConsentKind.SMS, "en")
    spanish = agreement(Somewhere, ConsentKind.SMS, "es")
    assert "Harbor Clinic" in english.words
    assert len(english.hash) == 64
    assert english.hash != spanish.hash
