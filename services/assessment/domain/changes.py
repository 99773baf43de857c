"""What kind of change a new version of a section is: the clinic's file names the kinds that revoke an approval."""

from typing import Any

from services.assessment.domain.sections import History, Section

PREGNANCY_CODES = frozenset({"CI_PREGNANCY", "REL_LACTATION"})


def kinds(before: Section | None, after: Section) -> frozenset[str]:
    """The kinds of change between two versions of one section: medication, diagnosis, pregnancy, allergy, …

    A screened condition counts as a diagnosis. Only what is clinically said counts: the order of a list, a note or a
    spelling in another case is no change of kind.
    """
    if isinstance(after, History):
        return _history(before if isinstance(before, History) else History(), after)
    if before == after:
        return frozenset()
    return frozenset({type(after).__name__.lower()})


def together(ours: History, theirs: History) -> History:
    """Ours, with whatever theirs says besides: what one person's chart holds once two were found to be theirs."""
    codes, names = _codes(ours), {_fold(one.name) for one in ours.diagnoses}
    taken, spared = {_fold(one.name) for one in ours.medications}, _allergies(ours)
    return ours.model_copy(
        update={
            "born": ours.born or theirs.born,
            "conditions": (*ours.conditions, *(one for one in theirs.conditions if one.code not in codes)),
            "diagnoses": (*ours.diagnoses, *(one for one in theirs.diagnoses if _fold(one.name) not in names)),
            "medications": (*ours.medications, *(one for one in theirs.medications if _fold(one.name) not in taken)),
            "allergies": (*ours.allergies, *(one for one in theirs.allergies if _fold(one.substance) not in spared)),
        }
    )


def _history(before: History, after: History) -> frozenset[str]:
    said = {
        "medication": (_medications(before), _medications(after)),
        "diagnosis": (
            (_diagnoses(before), _codes(before) - PREGNANCY_CODES),
            (_diagnoses(after), _codes(after) - PREGNANCY_CODES),
        ),
        "pregnancy": (_codes(before) & PREGNANCY_CODES, _codes(after) & PREGNANCY_CODES),
        "allergy": (_allergies(before), _allergies(after)),
        "birth_date": (before.born, after.born),
    }
    return frozenset(kind for kind, (old, new) in said.items() if old != new)


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())


def _codes(history: History) -> frozenset[str]:
    return frozenset(condition.code for condition in history.conditions)


def _medications(history: History) -> frozenset[Any]:
    return frozenset((_fold(each.name), _fold(each.dose)) for each in history.medications)


def _diagnoses(history: History) -> frozenset[Any]:
    return frozenset((_fold(each.name), each.code) for each in history.diagnoses)


def _allergies(history: History) -> frozenset[str]:
    return frozenset(_fold(each.substance) for each in history.allergies)
