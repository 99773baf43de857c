"""From what was written to a contact that can be used, or to the fields that stand in its way, named."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import TypeVar

import idna
import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType
from phonenumbers import timezone as phone_zones
from phonenumbers.tzdata import TIMEZONE_DATA, TIMEZONE_LONGEST_PREFIX

from services.intake.domain.contact import Contact, FieldName, Unusable, Wrong
from services.intake.domain.vagaro import Customer
from services.intake.domain.words import LINE_LIMIT, WORDS_LIMIT, clean, clean_line
from shared.clinic.model import Clinic
from shared.contracts.intake import Channel, ConsentKind
from shared.contracts.submissions import Submission
from shared.phones import e164, in_us

Raw = TypeVar("Raw", str, date)
_LOCAL_PART = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_E164 = re.compile(r"\+[1-9]\d{6,14}")
_WITHHELD = frozenset({"+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"})
"""ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN, UNAVAILABLE typed on a telephone: how Twilio writes a withheld number."""
EMAIL_LIMIT = 254  # RFC 5321, path without its brackets
LOCAL_LIMIT = 64
EARLIEST_BIRTH_YEAR = 1900


def read(submission: Submission, clinic: Clinic, now: datetime, *, channel: Channel | None = None) -> Contact:
    """A submission of `now` as a contact.

    Raises:
        Unusable: names each field that cannot be used, or that both phone and e-mail are missing.
    """
    wrong: list[Wrong] = []
    phone = _field(wrong, "phone", submission.phone, lambda raw: read_phone(raw, clinic.country))
    email = _field(wrong, "email", submission.email, read_email)
    name = clean_line(submission.name or "") or None
    born = _field(wrong, "date_of_birth", submission.date_of_birth, lambda day: read_born(day, clinic, now))
    if phone is None and email is None and not wrong:
        wrong.append(Wrong("phone", "missing"))
    if wrong:
        raise Unusable(tuple(wrong))
    language = _language(submission.language, clinic)
    return Contact(
        channel=channel or Channel(submission.channel),
        language=language,
        chosen=language != clinic.languages[0],
        phone=phone,
        email=email,
        name=name,
        message=clean(submission.message or "")[:WORDS_LIMIT] or None,
        date_of_birth=born,
        zone=zone_of(phone, clinic.zone),
        consents=tuple(_consents(submission, phone, email)),
        campaign=submission.campaign,
    )


def contact_of_customer(said: Customer, clinic: Clinic) -> Contact:
    """A Vagaro customer as a contact: the first of their phones that can be called, and their e-mail where it is one.

    Raises:
        Unusable: nobody could reach them.
    """
    country = said.country.upper() if said.country and len(said.country) == 2 else clinic.country
    phones = (_readable(raw, lambda raw: read_phone(raw, country)) for raw in (said.mobile, said.day, said.night))
    phone, email = next((phone for phone in phones if phone), None), _readable(said.email, read_email)
    if phone is None and email is None:
        raise Unusable((Wrong("phone", "missing"),))
    return Contact(
        channel=Channel.VAGARO,
        language=clinic.languages[0],
        phone=phone,
        email=email,
        name=clean_line(said.name)[:LINE_LIMIT] or None,
        zone=zone_of(phone, clinic.zone),
    )


def read_phone(raw: str, country: str) -> str:
    """E.164; a number without prefix is read as one of `country`, an extension is left out.

    Raises:
        ValueError: no telephone has this number.
    """
    number = e164(clean_line(raw)[:LINE_LIMIT], country)
    if number is None:
        raise ValueError("impossible")
    return number


def read_born(day: date, clinic: Clinic, now: datetime) -> date:
    """A date of birth.

    Raises:
        ValueError: nobody who could write to the clinic was born then.
    """
    if day.year < EARLIEST_BIRTH_YEAR or day > now.astimezone(clinic.tz).date():
        raise ValueError("impossible")
    return day


def read_email(raw: str) -> str:
    """The address in lower case, its domain in ASCII: what two spellings of one mailbox have in common.

    Raises:
        ValueError: it is not an address that mail can be sent to over the internet.
    """
    local, at, domain = clean_line(raw).lower().removeprefix("mailto:").rstrip(".").rpartition("@")
    if not at or len(local) > LOCAL_LIMIT or _LOCAL_PART.fullmatch(local) is None:
        raise ValueError("impossible")
    ascii_domain = _ascii_domain(domain)
    if ascii_domain is None or len(local) + 1 + len(ascii_domain) > EMAIL_LIMIT:
        raise ValueError("impossible")
    return f"{local}@{ascii_domain}"


def sender_number(raw: str) -> str | None:
    """The number a text or call came from; None for short codes, names and withheld numbers."""
    bare = clean_line(raw)
    return bare if _E164.fullmatch(bare) and bare not in _WITHHELD else None


def takes_texts(number: str) -> bool:
    """Whether an E.164 number may belong to a telephone that can be texted; in the US mobiles look like landlines."""
    parsed = _parsed(number)
    if parsed is None:
        return False
    return phonenumbers.number_type(parsed) in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)


def zone_of(phone: str | None, clinic_zone: str) -> str | None:
    """The zone that a number's area lies in, where it says so: the clinic's own if that is one of several.

    `phone` is E.164; who calls or texts may show one that no country has.
    """
    if phone is None:
        return None
    zones = _zones(phone)
    if clinic_zone in zones:
        return clinic_zone
    return zones[0] if len(zones) == 1 and zones[0] != phone_zones.UNKNOWN_TIMEZONE else None


def _zones(phone: str) -> Sequence[str]:
    if not in_us(phone):
        parsed = _parsed(phone)
        return () if parsed is None else phone_zones.time_zones_for_number(parsed)
    # A number of the United States lies where its first digits say; only elsewhere the library asks for its kind first.
    digits = phone[1:]
    areas = (digits[:length] for length in range(TIMEZONE_LONGEST_PREFIX, 0, -1))
    return next((TIMEZONE_DATA[area] for area in areas if area in TIMEZONE_DATA), ())


def _parsed(number: str) -> PhoneNumber | None:
    """None for what begins like no country's numbers: callers can be made to show anything."""
    try:
        return phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return None


@lru_cache(maxsize=4_096)  # most addresses share few domains
def _ascii_domain(domain: str) -> str | None:
    try:
        found = idna.encode(domain, uts46=True, std3_rules=True).decode()
    except (idna.IDNAError, UnicodeError):
        return None
    labels = found.split(".")
    return None if len(labels) < 2 or not all(labels) or labels[-1].isdigit() else found


def _field(wrong: list[Wrong], name: FieldName, raw: Raw | None, parse: Callable[[Raw], Raw]) -> Raw | None:
    if raw is None or not clean_line(str(raw)):
        return None
    try:
        return parse(raw)
    except ValueError as error:
        wrong.append(Wrong(name, str(error)))
        return None


def _readable(raw: str | None, parse: Callable[[str], str]) -> str | None:
    try:
        return parse(raw) if raw else None
    except ValueError:
        return None


def _language(wished: str | None, clinic: Clinic) -> str:
    return wished if wished in clinic.languages else clinic.languages[0]


def _consents(submission: Submission, phone: str | None, email: str | None) -> Iterator[ConsentKind]:
    if submission.consent_sms and phone is not None:
        yield ConsentKind.SMS
    if submission.consent_email and email is not None:
        yield ConsentKind.EMAIL
