"""A phone number as people write it."""

import phonenumbers


def e164(written: str, country: str) -> str | None:
    """The number as it is dialled from anywhere, e.g. +18015550100; None for what is no number."""
    try:
        number = phonenumbers.parse(written, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
