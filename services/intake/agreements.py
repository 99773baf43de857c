"""The words that people agree to, in the clinic's languages, and the hash by which an agreement is proven later."""

import hashlib
from functools import lru_cache
from pathlib import Path

from services.intake.repository.consents import ConsentText
from shared.clinic.model import Clinic
from shared.contracts.intake import ConsentKind
from shared.web.i18n import Texts

TEXTS = Texts((Path(__file__).parent / "texts",))
_KEYS = {ConsentKind.SMS: "consent.sms", ConsentKind.EMAIL: "consent.email"}
BY_KEYWORD = "consent.start"


def agreement(clinic: Clinic, kind: ConsentKind, language: str, *, by_keyword: bool = False) -> ConsentText:
    """The text beside the box, or the meaning of replying START."""
    return _text(clinic.name, kind, BY_KEYWORD if by_keyword else _KEYS[kind], language)


@lru_cache(maxsize=64)
def _text(clinic_name: str, kind: ConsentKind, key: str, language: str) -> ConsentText:
    words = TEXTS.get(language, key, clinic=clinic_name)
    version = TEXTS.get(language, "consent.version")
    return ConsentText(kind, version, language, words, hashlib.sha256(words.encode()).hexdigest())
