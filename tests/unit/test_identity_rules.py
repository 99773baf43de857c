"""What an authorization request asks of a person; codes and passwords."""

from datetime import UTC, datetime, timedelta

import pyotp
import pytest

from services.identity.domain.sign_in import LoginRequired, Need, SignedIn, acr_of, need
from services.identity.second_factor import (
    WeakPassword,
    hash_password,
    new_totp_secret,
    password_fits,
    provisioning_uri,
    step_of,
)

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
OSEI = SignedIn("osei", NOW - timedelta(minutes=20))


def test_nobody_signed_in_must_sign_in():
    assert need({}, None, NOW) == Need(step_up=False, expected=None)


def test_somebody_signed_in_need_not():
    assert need({}, OSEI, NOW) is None
    assert need({"max_age": "3600"}, OSEI, NOW) is None


@pytest.mark.parametrize("asked", [{"prompt": "login"}, {"max_age": "60"}, {"max_age": "0"}])
def test_a_client_can_ask_for_it_anew(asked):
    assert need(asked, OSEI, NOW) == Need(step_up=False, expected=None)


def test_step_up_asks_whoever_is_signed_in_for_both_factors():
    assert need({"acr_values": "step-up"}, OSEI, NOW) == Need(step_up=True, expected="osei")
    assert need({"acr_values": "mfa step-up"}, None, NOW) == Need(step_up=False, expected=None)
    assert acr_of({"acr_values": "mfa step-up"}) == "step-up"
    assert acr_of({"acr_values": "step-upper"}) == acr_of({}) == "mfa"


@pytest.mark.parametrize(
    ("asked", "session"), [({}, None), ({"acr_values": "step-up"}, OSEI), ({"max_age": "1"}, OSEI)]
)
def test_who_may_not_be_asked_is_refused(asked, session):
    with pytest.raises(LoginRequired):
        need({**asked, "prompt": "none"}, session, NOW)


def test_a_senseless_max_age_is_ignored():
    assert need({"max_age": "soon"}, OSEI, NOW) is None
    assert need({"max_age": "9" * 40}, OSEI, NOW) is None


def test_a_code_is_good_in_its_half_minute_and_the_ones_beside_it():
    secret = new_totp_secret()
    code = pyotp.TOTP(secret).at(NOW)
    at = NOW.timestamp()
    assert step_of(secret, code, at) == step_of(secret, code, at + 29) == step_of(secret, code, at - 29) == at // 30
    assert step_of(secret, f"{code[:3]} {code[3:]}", at) == at // 30
    assert step_of(secret, code, at + 90) is None
    assert step_of(secret, code, at - 90) is None


@pytest.mark.parametrize("junk", ["", "12345", "1234567", "abcdef", "１２３４５６", "12345\x00", "-12345", "١٢٣٤٥٦"])
def test_what_is_no_code_is_none(junk):
    assert step_of(new_totp_secret(), junk) is None


async def test_passwords_are_hashed_salted_and_checked():
    one, two = await hash_password("correct horse battery"), await hash_password("correct horse battery")
    assert one != two
    assert one.startswith("$argon2id$")
    assert await password_fits("correct horse battery", one)
    assert not await password_fits("correct horse", one)
    assert not await password_fits("correct horse battery", None)
    assert not await password_fits("correct horse battery", "not a hash")


@pytest.mark.parametrize("weak", ["", "short", "elevenchars", "a" * 40, "abababababababab", "x" * 201])
async def test_weak_passwords_are_refused(weak):
    with pytest.raises(WeakPassword):
        await hash_password(weak)


def test_an_authenticator_can_read_the_enrolment():
    uri = provisioning_uri("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "osei", "Harbor Clinic")
    assert pyotp.parse_uri(uri).secret == "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
