"""What the clinic says to patients and when: reminder ladder, quiet hours, frequency, texts per language. Pure.

The promise: a clinic file whose messages name a drug, a diagnosis, a dose or a score, leave out what a message must
say, or use a field that nothing fills, does not load; the error names the language, the text and the words.
"""

import re
import unicodedata
from dataclasses import dataclass
from string import Formatter
from typing import Annotated, Literal

from pydantic import Field, model_validator

from shared.clinic.basis import PROPOSED, published
from shared.clinic.opening import Span
from shared.clinic.part import Language, Part

SmsOrEmail = Literal["sms", "email"]
Channels = Annotated[tuple[SmsOrEmail, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class TextRule:
    """What one text may and must say. `needs` are fields of both its forms; `only_sms`: there is no e-mail of it.

    `stops`: the text ends with how to stop; an answer to a text does not.
    """

    may: frozenset[str]
    needs: frozenset[str] = frozenset()
    only_sms: bool = False
    stops: bool = True


_ALWAYS = frozenset({"clinic", "phone"})
_VISIT = _ALWAYS | {"day", "time", "link"}


def _visit(*needs: str) -> TextRule:
    return TextRule(_VISIT, frozenset(needs))


def _dates(*needs: str) -> TextRule:
    return TextRule(_ALWAYS | {"dates", "count", "link"}, frozenset(needs))


def _answer(*may: str) -> TextRule:
    return TextRule(_ALWAYS | set(may), only_sms=True, stops=False)


TEXTS: dict[str, TextRule] = {
    "enquiry": TextRule(_ALWAYS | {"when"}, frozenset({"when"})),
    "enquiry_text": TextRule(_ALWAYS | {"link", "when"}, frozenset({"link"})),
    "missed_call": TextRule(_ALWAYS | {"link", "when"}, frozenset({"when"}), only_sms=True),
    "consultation_scheduled": _visit("day", "time", "link"),
    "consultation_external": _visit("day", "time", "link"),
    "consultation_eve": _visit("day", "time"),
    "course_scheduled": _dates("dates", "link"),
    "session_scheduled": _visit("day", "time", "link"),
    "rescheduled": _dates("dates", "link"),
    "cancelled": _dates("dates", "phone"),
    "answer_ready": TextRule(_ALWAYS, frozenset({"phone"})),
    "logistics": _visit("day", "time", "link"),
    "escort_ask": _visit("day", "time"),
    "eve": _visit("day", "time", "link"),
    "eve_ask": _visit("day", "time", "link"),
    "arrival": _visit("day", "time", "link"),
    "check_in": TextRule(_ALWAYS | {"link"}, frozenset({"phone", "link"})),
    "transport_missing": _visit("day", "time", "phone", "link"),
    "escort_declined": _visit("day"),
    "escort_invite": TextRule(_VISIT, frozenset({"day", "time", "link"}), only_sms=True),
    "transport_thanks": _answer("day", "time", "link"),
    "transport_help": _answer("day", "time", "link"),
    "check_in_thanks": _answer(),
    "read_by_person": _answer(),
    "help": _answer(),
    "crisis": TextRule(_ALWAYS | {"emergency", "crisis"}, frozenset({"emergency", "crisis"}), stops=False),
    "opt_out": _answer(),
    "opt_in": _answer(),
}
"""Every text that a clinic writes, in each of its languages. One ending in `_ask` asks who takes the patient home."""

FOOTER_FIELDS = frozenset({"clinic", "phone", "email", "address", "emergency", "crisis"})

_FORBIDDEN = {
    "a drug": (
        "ketamine esketamine ketamina esketamina spravato ketalar lozenge lozenges troche injection injections "
        "intramuscular pastilla pastillas inyeccion inyecciones medication medicamento medicine medicina drug droga "
        "antidepressant antidepresivo anesthetic anestesico infusion psychedelic psicodelico"
    ),
    "a diagnosis": (
        "depression depressive depresion depresivo anxiety ansiedad ptsd tept trauma bipolar ocd toc psychosis "
        "psicosis suicide suicidal suicidio addiction adiccion psychiatric psiquiatrico psiquiatrica disorder "
        "trastorno diagnosis diagnostico mental"
    ),
    "a dose": "mg mcg milligram milligrams miligramo miligramos dose doses dosis",
    "a score": "score scores puntuacion puntaje phq gad pcl cssrs dast",
}
_WORDS = {word: what for what, words in _FORBIDDEN.items() for word in words.split()}
_TOKEN = re.compile(r"[a-z]+")
_NEVER_ASKED = re.compile(r"(reply|text|answer|responda|conteste|envie|escriba)\W+(cancel|cancelar)\b")


def forbidden_words(text: str) -> list[str]:
    """What the text says that no SMS or e-mail may: `'ketamine' (a drug)`. Empty for a good text.

    Source: HIPAA's minimum necessary; messages carry the clinic's name, date, time and a link, and no health detail.
    """
    plain = _plain(text)
    found = [f"{token!r} ({_WORDS[token]})" for token in _TOKEN.findall(plain) if token in _WORDS]
    if _NEVER_ASKED.search(plain):
        found.append("'reply CANCEL' (carriers read it as STOP: never ask for it)")
    return found


class Frequency(Part):
    """How many texts a day. Answers to the patient and safety messages are not counted."""

    with_consent_per_day: Annotated[int, Field(ge=1, le=10), PROPOSED] = 2
    without_consent_per_day: Annotated[int, Field(ge=0, le=3), published("1 a day, the healthcare exemption")] = 1
    without_consent_per_week: Annotated[int, Field(ge=0, le=7), published("3 a week, the healthcare exemption")] = 3


class Step(Part):
    """One rung of the reminder ladder: the text named by `code`, so many hours before check-in or after the way home.

    Quiet hours may move it: to their end while that is not later than `by_hours_before`, else to before they begin.
    A visit booked so late that the rung has passed still gets the text until `until_hours_before`.
    """

    code: Annotated[str, Field(pattern=r"^[a-z_]{2,40}$")]
    visit: Literal["session", "consultation"] = "session"
    hours_before: Annotated[int | None, Field(ge=0, le=24 * 30), PROPOSED] = None
    by_hours_before: Annotated[int | None, Field(ge=0, le=24 * 30)] = None
    until_hours_before: Annotated[int | None, Field(ge=0, le=24 * 30)] = None
    hours_after: Annotated[int | None, Field(ge=1, le=24 * 30), PROPOSED] = None
    until_hours_after: Annotated[int | None, Field(ge=1, le=24 * 30)] = None
    asks: Literal["transport", "next-day"] | None = None
    channels: Channels = ("sms", "email")

    @model_validator(mode="after")
    def _one_side(self) -> "Step":
        if (self.hours_before is None) == (self.hours_after is None):
            raise ValueError(f"{self.code}: write hours_before or hours_after, one of them")
        if self.hours_before is not None:
            by = self.hours_before if self.by_hours_before is None else self.by_hours_before
            until = by if self.until_hours_before is None else self.until_hours_before
            if not until <= by <= self.hours_before:
                raise ValueError(f"{self.code}: until_hours_before ≤ by_hours_before ≤ hours_before must hold")
        elif self.hours_after is not None and (self.until_hours_after or self.hours_after) < self.hours_after:
            raise ValueError(f"{self.code}: until_hours_after must not be less than hours_after")
        return self


class Text(Part):
    """One text in one language. The SMS is preceded by the clinic's name and followed by how to stop."""

    sms: Annotated[str, Field(min_length=8, max_length=320)]
    subject: Annotated[str, Field(min_length=3, max_length=90)] | None = None
    email: Annotated[str, Field(min_length=8, max_length=2_000)] | None = None


class Words(Part):
    """All texts of one language. Footers close every text and every e-mail."""

    sms_footer: Annotated[str, Field(min_length=8, max_length=80)]
    email_footer: Annotated[str, Field(min_length=8, max_length=800)]
    greeting: Annotated[str, Field(min_length=2, max_length=80)]
    calendar_title: Annotated[str, Field(min_length=3, max_length=80)]
    calendar_note: Annotated[str, Field(min_length=3, max_length=200)]
    """A visit's name and note in the patient's own calendar, which others may see too."""

    texts: dict[str, Text]


class Messages(Part):
    """The [messages] part of a clinic's file. `sender` is the name that patients see: no health word in it."""

    sender: Annotated[str, Field(min_length=2, max_length=30)]
    send_between: Annotated[Span, PROPOSED] = Span.model_validate("09:00-20:00")
    merge_seconds: Annotated[int, Field(ge=0, le=600), PROPOSED] = 20
    """How long a message about a course waits for the course's other visits."""

    tell_decision: Annotated[bool, PROPOSED] = True
    """Whether a patient is told that their provider has an answer and somebody will call."""

    frequency: Frequency = Frequency()
    ladder: Annotated[tuple[Step, ...], Field(min_length=1)]
    words: dict[Language, Words]

    def problems(self) -> list[tuple[str, str]]:
        """Everything that keeps these messages from being sent, as (key under `messages`, what is wrong)."""
        return [
            *(("sender", f"says {word}") for word in forbidden_words(self.sender)),
            *_ladder_problems(self.ladder),
            *(found for language, words in self.words.items() for found in _words_problems(f"words.{language}", words)),
        ]

    def text(self, language: str, key: str) -> Text:
        """The text of a key in a language.

        Raises:
            KeyError: the language or the key does not exist.
        """
        return self.words[language].texts[key]


Found = list[tuple[str, str]]


def _ladder_problems(ladder: tuple[Step, ...]) -> Found:
    problems: Found = []
    seen: set[str] = set()
    for step in ladder:
        at = f"ladder[{step.code}]"
        wanted = f"{step.code}_ask" if step.asks == "transport" else step.code
        if wanted not in TEXTS or TEXTS[wanted].only_sms:
            problems.append((at, f"there is no text {wanted!r}"))
        if step.code in seen:
            problems.append((at, "stands twice in the ladder"))
        seen.add(step.code)
    return problems


def _words_problems(at: str, words: Words) -> Found:
    problems = _form_problems(f"{at}.sms_footer", words.sms_footer, FOOTER_FIELDS, frozenset())
    problems += _form_problems(f"{at}.email_footer", words.email_footer, FOOTER_FIELDS, frozenset())
    problems += _form_problems(f"{at}.greeting", words.greeting, frozenset(), frozenset())
    problems += _form_problems(f"{at}.calendar_title", words.calendar_title, _ALWAYS, frozenset())
    problems += _form_problems(f"{at}.calendar_note", words.calendar_note, _ALWAYS, frozenset())
    if "STOP" not in words.sms_footer:
        problems.append((f"{at}.sms_footer", "must say how to stop, with the word STOP"))
    problems += [(f"{at}.texts.{key}", "is missing") for key in TEXTS if key not in words.texts]
    for key, text in words.texts.items():
        rule = TEXTS.get(key)
        if rule is None:
            problems.append((f"{at}.texts.{key}", f"nothing sends this text; texts are {', '.join(sorted(TEXTS))}"))
        else:
            problems += _text_problems(f"{at}.texts.{key}", text, rule)
    return problems


def _text_problems(at: str, text: Text, rule: TextRule) -> Found:
    problems = _form_problems(f"{at}.sms", text.sms, rule.may, rule.needs)
    if rule.only_sms:
        return problems
    if text.subject is None or text.email is None:
        return [*problems, (at, "needs subject and email beside sms")]
    problems += _form_problems(f"{at}.subject", text.subject, rule.may, frozenset())
    problems += _form_problems(f"{at}.email", text.email, rule.may, rule.needs)
    return problems


def _form_problems(at: str, text: str, may: frozenset[str], needs: frozenset[str]) -> Found:
    problems = [(at, f"says {word}") for word in forbidden_words(text)]
    try:
        used = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
    except ValueError as error:
        return [*problems, (at, f"cannot be read ({error}); write {{{{ for a brace")]
    problems += [(at, f"{{{name}}} is not known here; allowed: {_listed(may)}") for name in sorted(used - may)]
    problems += [(at, f"{{{name}}} must be said") for name in sorted(needs - used)]
    return problems


def _listed(names: frozenset[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(names))


def _plain(text: str) -> str:
    """Lower case without accents, so that `Depresión` is found as `depresion`."""
    spread = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in spread if not unicodedata.combining(letter))
