from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from services.intake.domain.contact import Unusable
from services.intake.reading import read, read_email, read_phone, sender_number, takes_texts, zone_of
from shared.clinic import load
from shared.contracts.intake import Channel, ConsentKind
from shared.contracts.submissions import Submission

CLINIC = load(Path("deploy/clinics/harbor.toml"))
NOW = datetime(2026, 12, 4, 5, 30, tzinfo=UTC)  # the evening before, in Denver


@pytest.mark.parametrize(
    "written",
    [
        "(801) 555-0148", "801-555-0148", "+1 801 555 0148", "8015550148", "801.555.0148 ext. 5",
        "\u202a+1 801 555 0148\u202c", "８０１５５５０１４８",
    ],
)  # fmt: skip
def test_one_number_however_it_is_written(written):
    assert read_phone(written, "US") == "+18015550148"


@pytest.mark.parametrize(
    "written", ["12", "000-000-0000", "+1 123 456 7890", "call me", "555-0148", "+999 1234567", "9" * 200, "☎"]
)
def test_impossible_numbers_are_refused(written):
    with pytest.raises(ValueError, match="impossible"):
        read_phone(written, "US")


def test_a_number_of_another_country_keeps_its_prefix():
    assert read_phone("+52 55 1234 5678", "US") == "+525512345678"


@pytest.mark.parametrize(
    ("written", "one"),
    [
        ("Maya@Example.COM", "maya@example.com"),
        (" maya@example.com. ", "maya@example.com"),
        ("mailto:maya@example.com", "maya@example.com"),
        ("maya@bücher.example", "maya@xn--bcher-kva.example"),
        ("maya+clinic@example.com", "maya+clinic@example.com"),
        ("o'hara@example.com", "o'hara@example.com"),
    ],
)
def test_one_address_however_it_is_written(written, one):
    assert read_email(written) == one


@pytest.mark.parametrize(
    "written",
    ["maya", "maya@", "@example.com", "a b@example.com", "maya@localhost", "maya@1.2.3.4", "a..b@example.com",
     "maya@exa_mple.com", "<script>@example.com", f"{'a' * 65}@example.com", f"a@{'b' * 250}.com", "a@b@c.com"],
)  # fmt: skip
def test_impossible_addresses_are_refused(written):
    with pytest.raises(ValueError, match="impossible"):
        read_email(written)


def test_a_contact_needs_a_phone_or_an_address():
    with pytest.raises(Unusable) as refused:
        read(Submission(name="Maya"), CLINIC, NOW)
    assert [(wrong.field, wrong.code) for wrong in refused.value.wrong] == [("phone", "missing")]


def test_every_field_that_is_wrong_is_named():
    with pytest.raises(Unusable) as refused:
        read(Submission(phone="12", email="nowhere", date_of_birth=date(1000, 1, 1)), CLINIC, NOW)
    assert [wrong.field for wrong in refused.value.wrong] == ["phone", "email", "date_of_birth"]


def test_what_was_written_is_made_safe():
    contact = read(Submission(name="Ma\u202eya", phone="801 555 0148", message="x\u0007y"), CLINIC, NOW)
    assert (contact.name, contact.message) == ("Maya", "xy")


def test_consent_needs_the_address_that_it_is_for():
    contact = read(Submission(email="maya@example.com", consent_sms=True, consent_email=True), CLINIC, NOW)
    assert contact.consents == (ConsentKind.EMAIL,)


def test_a_language_that_the_clinic_does_not_speak_becomes_its_first():
    assert read(Submission(email="a@example.com", language="fr"), CLINIC, NOW).language == CLINIC.languages[0]
    assert read(Submission(email="a@example.com", language="es"), CLINIC, NOW).language == "es"


def test_the_door_decides_the_channel():
    assert read(Submission(email="a@example.com"), CLINIC, NOW, channel=Channel.QUEUE).channel is Channel.QUEUE


def test_the_zone_is_that_of_the_numbers_area():
    assert zone_of("+18015550148", "America/New_York") == "America/Denver"
    assert zone_of("+18005550148", "America/Denver") == "America/Denver"
    assert zone_of(None, "America/Denver") is None


@pytest.mark.parametrize("shown", ["+9991234567", "+2101234567"])
def test_a_number_that_no_country_has_lies_nowhere_and_takes_no_texts(shown):
    """Who calls can have any number shown; what cannot be placed must not stop the call from being kept."""
    assert zone_of(shown, "America/Denver") is None
    assert not takes_texts(shown)


@pytest.mark.parametrize(
    ("sender", "number"), [("+18015550148", "+18015550148"), ("12345", None), ("AMAZON", None), ("anonymous", None)]
)
def test_only_a_number_can_be_answered(sender, number):
    assert sender_number(sender) == number


def test_nobody_is_born_after_the_clinics_own_day():
    today = Submission(email="a@example.com", date_of_birth=date(2026, 12, 3))
    assert read(today, CLINIC, NOW).date_of_birth == date(2026, 12, 3)
    with pytest.raises(Unusable, match="date_of_birth:impossible"):
        read(Submission(email="a@example.com", date_of_birth=date(2026, 12, 4)), CLINIC, NOW)
