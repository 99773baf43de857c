"""A message's very words: the clinic's texts with dates, times and links filled in. Nothing about health goes in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

import phonenumbers
from babel.dates import format_datetime

from services.notifications.rows import VisitRow
from shared.clinic import Clinic
from shared.clinic.messages import TEXTS, SmsOrEmail

_SHORT = {"es": "EEE d MMM"}
_LONG = {"es": "EEEE d 'de' MMMM"}
_WHEN = "H:mm"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the words of one message are filled with. `visits` are those that it names, the earliest first."""

    visits: Sequence[VisitRow] = ()
    link: str = ""
    answer_by: datetime | None = None


def values(clinic: Clinic, language: str, channel: SmsOrEmail, facts: Facts) -> dict[str, str]:
    """The fields that a text may use; which of them it does is checked when the clinic's file is read."""
    short = channel == "sms"
    found = {"clinic": clinic.messages.sender, "phone": spoken(clinic.phone), "link": facts.link}
    found |= {"emergency": clinic.contact.emergency, "crisis": clinic.contact.crisis}
    if facts.visits:
        first = facts.visits[0]
        found["day"] = day(first.starts_at, first.tz, language, short=short)
        found["time"] = clock(first.starts_at, first.tz, language)
        found["count"] = str(len(facts.visits))
        dates = [
            f"{day(visit.starts_at, visit.tz, language, short=short)}, {clock(visit.starts_at, visit.tz, language)}"
            for visit in facts.visits
        ]
        found["dates"] = "; ".join(dates) if short else "\n".join(dates)
    if facts.answer_by is not None:
        at = facts.answer_by
        found["when"] = f"{day(at, clinic.tz, language, short=short)}, {clock(at, clinic.tz, language)}"
    return found


def sms(clinic: Clinic, language: str, parts: Sequence[tuple[str, Facts]]) -> str:
    """One text message of one or several parts: the clinic's name first, how to stop last."""
    words = clinic.messages.words[language]
    said = [words.texts[key].sms.format_map(values(clinic, language, "sms", facts)) for key, facts in parts]
    footer = [] if any(not TEXTS[key].stops for key, _ in parts) else [_footer(clinic, words.sms_footer)]
    return f"{clinic.messages.sender}: {' '.join([*said, *footer])}"


def email(clinic: Clinic, language: str, key: str, facts: Facts) -> tuple[str, str]:
    """Subject and plain text of an e-mail.

    Raises:
        LookupError: the text has no form for e-mail.
    """
    words = clinic.messages.words[language]
    text = words.texts[key]
    if text.subject is None or text.email is None:
        raise LookupError(key)
    filled = values(clinic, language, "email", facts)
    body = "\n\n".join([words.greeting, text.email.strip().format_map(filled), _footer(clinic, words.email_footer)])
    return text.subject.format_map(filled), body


def html(body: str) -> str:
    """The same words for a mail reader that likes HTML: paragraphs, and addresses that can be pressed."""
    paragraphs = [
        "<br>".join(_pressable(line) for line in paragraph.split("\n")) for paragraph in body.strip().split("\n\n")
    ]
    inner = "".join(f'<p style="margin:0 0 1em">{paragraph}</p>' for paragraph in paragraphs)
    return (
        '<!doctype html><html><head><meta charset="utf-8"></head>'
        '<body style="font:17px/1.5 system-ui,sans-serif;color:#1d2a2e;background:#fffefa;max-width:34em;padding:1em">'
        f"{inner}</body></html>"
    )


def day(at: datetime, zone: ZoneInfo, language: str, *, short: bool) -> str:
    """`Thu 3 Dec`, or `Thursday 3 December`."""
    pattern = _SHORT.get(language, "EEE d MMM") if short else _LONG.get(language, "EEEE d MMMM")
    return format_datetime(at.astimezone(zone), pattern, locale=language)


def clock(at: datetime, zone: ZoneInfo, language: str) -> str:
    """`9:05`, `14:00`."""
    return format_datetime(at.astimezone(zone), _WHEN, locale=language)


def spoken(phone: str) -> str:
    """`(801) 555-0100` from E.164; as it is where it cannot be read."""
    try:
        number = phonenumbers.parse(phone)
    except phonenumbers.NumberParseException:
        return phone
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)


def _footer(clinic: Clinic, text: str) -> str:
    fields: Mapping[str, str] = {
        "clinic": clinic.name,
        "phone": spoken(clinic.phone),
        "email": clinic.email,
        "address": clinic.address,
        "emergency": clinic.contact.emergency,
        "crisis": clinic.contact.crisis,
    }
    return text.strip().format_map(fields)


def _pressable(line: str) -> str:
    words = []
    for word in escape(line).split(" "):
        if word.startswith(("http://", "https://")):
            address = word.rstrip(".,;")
            words.append(f'<a href="{address}">{address}</a>{word[len(address) :]}')
        else:
            words.append(word)
    return " ".join(words)
