"""Rules of the clinic's file over what a chart says. Software flags and explains; a provider decides."""

import re
import unicodedata
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from services.assessment.domain.refusals import Invalid
from services.assessment.domain.sections import History, Trial, Tried
from shared.clinic.screening import Interaction, Screening, ScreeningRule
from shared.contracts.assessment import Severity

UNDER_AGE, OLDER, NO_AGE, ALLERGY, PSYCHOSIS = "CI_AGE", "REL_AGE65", "AGE_UNKNOWN", "CI_ALLERGY", "CI_PSYCHOSIS"
COMPUTED = frozenset({UNDER_AGE, OLDER, NO_AGE})
"""Rules that are computed from the birth date and not asked."""

_ORDER = {Severity.CRISIS: 0, Severity.HARD: 1, Severity.REVIEW: 2, Severity.INFO: 3}
_NO_HELP = frozenset({"none", "partial", "worse", "side_effects"})
_TAKEN = frozenset({"full", "partial"})
_PSYCHOTIC = re.compile(r"F2[0-9]", re.IGNORECASE)
"""ICD-10-CM F20 to F29, with the dot or as claims write it: schizophrenia, schizotypal, delusional and other non-mood
psychotic disorders."""
_KETAMINE = ("ketamin", "ketalar", "spravato")
"""The medicine and its brands, in both languages: esketamine and "ketamina" hold the first of them."""
_STRENGTH = re.compile(r".*[0-9].*|m?c?g|ml")
_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that applies: what it is, why it speaks, who says so, and `because` of which entry of the chart."""

    code: str
    severity: Severity
    label: str
    reason: str
    source: str
    because: str

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {"severity": self.severity.value}


@dataclass(frozen=True, slots=True)
class Resistance:
    """How many antidepressants were tried long enough at an adequate dose and did not help, of how many needed."""

    counted: tuple[str, ...]
    needed: int

    @property
    def met(self) -> bool:
        """Whether the depression counts as treatment-resistant by the clinic's number."""
        return len(self.counted) >= self.needed

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"counted": list(self.counted), "needed": self.needed, "met": self.met}


def asked(screening: Screening) -> tuple[ScreeningRule, ...]:
    """The rules that a person answers with yes or no."""
    return tuple(rule for rule in screening.worded if rule.code not in COMPUTED)


def check_conditions(screening: Screening, history: History) -> None:
    """Refuse a condition that the clinic's file doesn't know: its severity would be unknown too.

    Raises:
        Invalid: names the codes.
    """
    known = {rule.code for rule in asked(screening)}
    strange = sorted(each.code for each in history.conditions if each.code not in known)
    if strange:
        raise Invalid(
            "unknown_condition",
            f"The clinic's file has no such condition: {', '.join(strange)}.",
            "Choose one from the list, or write it in the notes.",
            "conditions",
        )


def findings(screening: Screening, history: History | None, *, today: date) -> tuple[Finding, ...]:
    """All rules that apply, the strongest first. `today` is a day in the clinic's zone."""
    if history is None:
        return ()
    found: dict[str, Finding] = {}
    rules = {rule.code: rule for rule in screening.worded}
    for condition in history.conditions:
        if condition.code in rules:
            found[condition.code] = _speaks(rules[condition.code], condition.note)
    for code, because in _computed(screening, history, today):
        if code in rules and code not in found:
            found[code] = _speaks(rules[code], because)
    for interaction in screening.worded_interactions:
        taken = [each.name for each in history.medications if _names(interaction, each.name)]
        if taken:
            found[interaction.code] = _speaks(interaction, ", ".join(taken))
    return tuple(sorted(found.values(), key=lambda finding: (_ORDER[finding.severity], finding.code)))


def _computed(screening: Screening, history: History, today: date) -> list[tuple[str, str]]:
    speaking: list[tuple[str, str]] = []
    if history.born is None:
        # Unknown is never as good as grown up: it speaks until somebody has asked.
        speaking.append((NO_AGE, ""))
    else:
        years = age(history.born, today)
        if years < screening.limits.adult_age:
            speaking.append((UNDER_AGE, str(years)))
        if years >= screening.limits.older_age:
            speaking.append((OLDER, str(years)))
    speaking += [
        (ALLERGY, each.substance)
        for each in history.allergies
        if any(name in _words(each.substance) for name in _KETAMINE)
    ]
    speaking += [(PSYCHOSIS, each.name) for each in history.diagnoses if _PSYCHOTIC.match(each.code or "")]
    return speaking


def _speaks(rule: ScreeningRule | Interaction, because: str) -> Finding:
    return Finding(rule.code, Severity(rule.severity), rule.label, rule.reason, rule.source, because)


def _names(interaction: Interaction, medication: str) -> bool:
    """Whether a medication's name has one of the group's names as whole words ("tramadol" in "Tramadol 50 mg")."""
    words = _words(medication)
    return any(_name(name) in words for name in interaction.names)


@lru_cache(maxsize=1_000)  # the file's own names, not what patients take
def _name(name: str) -> str:
    return _words(name)


def _words(text: str) -> str:
    """The words between blanks, however they were typed or pasted: case, accents, apostrophes, unseen characters."""
    letters = (letter for letter in unicodedata.normalize("NFKD", text) if letter not in "'’")
    bare = "".join(letter for letter in letters if unicodedata.category(letter) not in {"Mn", "Cf"})
    return f" {' '.join(_WORD.findall(bare.casefold()))} "


def age(born: date, today: date) -> int:
    """Completed years. Someone born on 29 February has their birthday on 1 March in common years."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def resistance(screening: Screening, tried: Tried | None, *, today: date) -> Resistance:
    """Count distinct antidepressants of the current episode with adequate dose and duration that did not help.

    Adequate is at least `limits.adequate_weeks` at a therapeutic dose, taken at least in part. What is unknown
    doesn't count: a person has to say it. One medicine under two of its names, or at two doses, counts once.
    """
    weeks = timedelta(weeks=screening.limits.adequate_weeks)
    counted: dict[str, str] = {}
    for trial in tried.trials if tried else ():
        if _failed(trial, weeks, today):
            counted.setdefault(_medicine(screening, trial.name), trial.name)
    return Resistance(tuple(counted.values()), screening.limits.resistant_after)


def _medicine(screening: Screening, name: str) -> str:
    """What two names of one medicine have in common."""
    words = _words(name)
    for names in screening.same_medicine:
        if any(_name(one) in words for one in names):
            return names[0]
    bare = " ".join(word for word in words.split() if not _STRENGTH.fullmatch(word))
    return bare or " ".join(name.casefold().split())


def _failed(trial: Trial, adequate: timedelta, today: date) -> bool:
    return (
        trial.kind == "antidepressant"
        and trial.current_episode
        and trial.adequate_dose is True
        and trial.start is not None
        and (trial.end or today) - trial.start >= adequate
        and trial.adherence in _TAKEN
        and trial.outcome in _NO_HELP
    )
