"""Phrases said in the reader's language, with people and rooms by their names and moments in the clinic's zone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from services.dashboard.domain.phrase import Phrase
from shared.clinic import Clinic
from shared.web.dates import Dates
from shared.web.i18n import Texts


@dataclass(frozen=True, slots=True)
class Words:
    """Says phrases for one request."""

    texts: Texts
    language: str
    clinic: Clinic
    dates: Dates

    def __call__(self, said: Phrase | None) -> str:
        """The sentence; empty for none. A code that no text knows is shown as it is, so that nothing is hidden."""
        if said is None:
            return ""
        policy = self._policy(said.key)
        if policy is not None:
            return policy
        if not self.texts.has(self.language, said.key):
            return said.key.rpartition(".")[2].replace("_", " ").replace("-", " ")
        values: dict[str, object] = {}
        for name, value in said.values.items():
            if name.endswith("_id"):
                values[name.removesuffix("_id")] = self.who(str(value))
            else:
                values[name] = self._moment(name, value) if isinstance(value, datetime) else self._value(value)
        return self.texts.get(self.language, said.key, **values)

    def code(self, group: str, code: str) -> str:
        """A word of the program's vocabulary: `code("task", "answer-lead")`."""
        return self(Phrase(f"{group}.{code}"))

    def _policy(self, key: str) -> str | None:
        """What the clinic's file calls a flag or a gate."""
        kind, _, code = key.partition(".")
        screening = self.clinic.screening
        match kind:
            case "flag":
                rules = {rule.code: rule.label for rule in screening.worded}
                return rules.get(code) or {one.code: one.label for one in screening.worded_interactions}.get(code)
            case "gate":
                said = f"session.gate_{code}"  # as the session's page calls it; the file has one language
                if self.texts.has(self.language, said):
                    return self.texts.get(self.language, said)
                return next((gate.label for gate in self.clinic.gates if gate.code == code), None)
            case _:
                return None

    def who(self, code: str) -> str:
        """A person's or a room's name by its id."""
        named = {one.id: one.name for one in self.clinic.rooms} | {one.id: one.name for one in self.clinic.people}
        return named.get(code, code)

    def actor(self, actor: str) -> str:
        """Which member of staff did something; empty for others, whom the sentence itself names."""
        kind, _, code = actor.partition(":")
        return self.who(code) if kind == "staff" else ""

    def _moment(self, name: str, moment: datetime) -> str:
        """`by`: a deadline, the clock alone when it is today's; `day`: the day alone; else both."""
        if name == "day":
            return self.dates.day(moment)
        today = moment.astimezone(self.dates.tz).date() == self.dates.today
        return self.dates.time(moment) if name == "by" and today else self.dates.when(moment)

    def _value(self, value: Any) -> object:
        match value:
            case Phrase():
                return self(value)
            case datetime():
                return self.dates.when(value)
            case date():
                return self.dates.day(value)
            case str():
                return value
            case Sequence():
                return ", ".join(str(self._value(one)) for one in value)
            case _:
                return value
