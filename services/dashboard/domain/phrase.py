"""Something to say, not yet in a language: a key of the texts and its values."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Phrase:
    """Said by `services.dashboard.words`.

    Values may be moments (said as a day and time), dates (as a day), other phrases, numbers or words. A name that ends
    in `_id` holds a person's or room's id, its text names it without the ending: `provider_id` → `{provider}`. A moment
    named `by` is a deadline, one named `day` is said as a day.
    """

    key: str
    values: dict[str, Any] = field(default_factory=dict)


def phrase(key: str, **values: Any) -> Phrase:
    """Shorter to write."""
    return Phrase(key, values)


@dataclass(frozen=True, slots=True)
class Chip:
    """A short phrase with a colour that never speaks alone: "" plain, now, due, ok, next."""

    text: Phrase
    kind: str = ""
