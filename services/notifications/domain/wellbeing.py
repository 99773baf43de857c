"""How a patient is the day after a session: what they may tick, and how grave the answer is. Pure."""

import re
from dataclasses import dataclass, field
from typing import Literal

Strength = Literal["mild", "moderate", "severe"]
Meaning = Literal["well", "mild", "unwell", "severe"]

EFFECTS = (
    "dizziness",
    "hallucinations",
    "heart_rate",
    "blood_pressure",
    "nausea",
    "appetite",
    "blurry_vision",
    "sweating",
    "flushing",
)
"""What the clinic tells patients beforehand that they may feel; asked the next day in the same order."""
STRENGTHS: tuple[Strength, ...] = ("mild", "moderate", "severe")
SINCE = ("visit", "evening", "night", "today")
"""Since when; the first is the visit itself."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_SAYS_WELL = _set("good well fine great ok okay better perfect alright normal bien mejor perfecto perfecta genial")
_AROUND_IT = _set(
    "all is i'm im am i feel feeling very much thanks thank you so everything today as usual "
    "muy estoy me siento todo gracias hoy como siempre"
)
_ALARM = re.compile(
    r"\b(chest|faint\w*|pass(ed)? out|unconscious|breath\w*|seizure\w*|convuls\w*|bleed\w*|suicid\w*|kill|die|dying|"
    r"emergency|ambulance|hospital|911|988|pecho|desmay\w*|respir\w*|sangr\w*|suicid\w*|matarme|morir\w*|muero|"
    r"emergencia|ambulancia)\b",
    re.IGNORECASE,
)


_DESPAIR = re.compile(
    r"\b(suicid\w*|kill (myself|me)|want to die|end (my life|it all)|(hurt|harm) myself|overdos\w*|"
    r"(do not|don['’]?t) want to (live|be here)|better off dead|matarme|quiero morir\w*|quitarme la vida|"
    r"hacerme daño|lastimarme|sobredosis|no quiero vivir)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Wellbeing:
    """What the patient said on their page. `felt`: effect to strength; `words` are their own."""

    well: bool
    felt: dict[str, Strength] = field(default_factory=dict)
    since: str | None = None
    words: str = ""

    @property
    def meaning(self) -> Meaning:
        """Anything severe, or words that alarm, is severe; somebody calls who is not well or has words of their own."""
        if "severe" in self.felt.values() or alarming(self.words):
            return "severe"
        if not self.well or "moderate" in self.felt.values() or self.words:
            return "unwell"
        return "mild" if self.felt else "well"

    def said(self) -> str:
        """The answer as staff read it."""
        felt = "; ".join(f"{effect.replace('_', ' ')}: {strength}" for effect, strength in self.felt.items())
        lines = [
            "Well." if self.well else "Not well.",
            felt,
            f"Since: {self.since}." if self.felt and self.since else "",
        ]
        return "\n".join(line for line in (*lines, self.words) if line)


def alarming(words: str) -> bool:
    """Whether the words name a danger to life. What does not is no proof of the opposite: a person reads it."""
    return _ALARM.search(words) is not None or despairing(words)


def despairing(words: str) -> bool:
    """Whether somebody may hurt themselves. Of a stranger this alone counts: many tell of hospitals and hearts."""
    return _DESPAIR.search(words) is not None


def says_well(body: str) -> bool:
    """Whether a text says plainly, and only, that they are well: "Good, thanks", "Muy bien". Never guessed."""
    words = [word.casefold().replace("’", "'") for word in re.findall(r"[\w'’]+", body)]
    return (
        len(body) <= 80 and "?" not in body and set(words) <= _SAYS_WELL | _AROUND_IT and bool(set(words) & _SAYS_WELL)
    )
