"""Telephone numbers as people write them, and as the network dials them."""

import phonenumbers
from phonenumbers import PhoneNumberFormat


def e164(written: str, country: str) -> str | None:
    """The number as it is dialled from anywhere, e.g. +18015550100; None for what no telephone has.

    A number without prefix is read as one of `country` (ISO 3166, "US"); an extension is left out.
    """
    try:
        number = phonenumbers.parse(written, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)
