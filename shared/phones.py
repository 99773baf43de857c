"""Telephone numbers as people write them, and as the network dials them."""

import re

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumberFormat

_US = PhoneMetadata.metadata_for_region("US")
assert _US is not None
assert _US.fixed_line is not None
# The usual ways to write a number of the United States, and the library's own pattern for those that exist there: most
# numbers that come in are read by two matches instead of by the library's walk through every country of code 1.
_USUAL = re.compile(r"(?P<code>\+1[ .-]?)?(?:\((\d{3})\) ?|(\d{3})[ .-]?)(\d{3})[ .-]?(\d{4})", re.ASCII)
_EXISTS = re.compile(str(_US.fixed_line.national_number_pattern), re.ASCII)


def e164(written: str, country: str) -> str | None:
    """The number as it is dialled from anywhere, e.g. +18015550100; None for what no telephone has.

    A number without prefix is read as one of `country` (ISO 3166, "US"); an extension is left out.
    """
    usual = _USUAL.fullmatch(written)
    if usual is not None and (usual["code"] or country == "US"):
        national = "".join(part for part in usual.groups()[1:] if part)
        if _EXISTS.fullmatch(national):
            return f"+1{national}"
    return _by_library(written, country)


def in_us(number: str) -> bool:
    """Whether an E.164 number belongs to an area of the United States."""
    return number.startswith("+1") and _EXISTS.fullmatch(number, 2) is not None


def _by_library(written: str, country: str) -> str | None:
    try:
        number = phonenumbers.parse(written, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)
