"""Every text of both clinics in both languages, as a patient would read it; and what a clinic file may not say."""

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.notifications.domain.segments import segments
from services.notifications.rendering import Facts, email, html, sms
from services.notifications.rows import VisitRow
from shared.clinic import load
from shared.clinic.errors import ClinicError
from shared.clinic.messages import TEXTS, Messages, forbidden_words
from shared.ids import new_id

CLINICS = Path(__file__).parents[2] / "deploy" / "clinics"
NAMES = ("harbor", "alameda")
LINK = "https://go.harbor.example/p/AbCdEfGhIjKlMnOpQrStUv"
EVERY = [(name, language, key) for name in NAMES for language in ("en", "es") for key in TEXTS]


def visit(days: int, zone: str) -> VisitRow:
    at = datetime(2026, 12, 3, 16, 0, tzinfo=UTC) + timedelta(days=days)
    return VisitRow(
        new_id(), new_id(), "session", new_id(), 1, 6, at, at + timedelta(minutes=30), at + timedelta(hours=3), zone, 0,
        "ahead", "open", None,
    )  # fmt: skip


def facts(clinic, key: str) -> Facts:
    visits = [visit(3 * n, clinic.zone) for n in range(6 if key == "course_scheduled" else 1)]
    return Facts(visits, LINK, datetime(2026, 12, 1, 16, 15, tzinfo=UTC))


@pytest.mark.parametrize(("name", "language", "key"), EVERY)
def test_a_text_message_names_the_clinic_says_how_to_stop_and_nothing_about_health(name, language, key):
    clinic = load(CLINICS / f"{name}.toml")
    said = sms(clinic, language, [(key, facts(clinic, key))])
    assert said.startswith(f"{clinic.messages.sender}: ")
    assert not forbidden_words(said)
    assert "{" not in said
    assert "\xa0" not in said
    if TEXTS[key].stops:
        assert "STOP" in said
    most = {"en": 2, "es": 4}[language] + (2 if key == "course_scheduled" else 0)
    assert segments(said) <= most, said


@pytest.mark.parametrize(("name", "language", "key"), [it for it in EVERY if not TEXTS[it[2]].only_sms])
def test_an_email_says_the_same_with_the_clinics_address_and_where_to_turn(name, language, key):
    clinic = load(CLINICS / f"{name}.toml")
    subject, body = email(clinic, language, key, facts(clinic, key))
    assert not forbidden_words(subject + " " + body)
    assert "{" not in subject + body
    assert clinic.address in body
    assert clinic.contact.crisis in body
    assert "\n" not in subject
    assert LINK not in body or f'<a href="{LINK}">{LINK}</a>' in html(body)


def test_the_course_is_named_with_all_its_dates():
    clinic = load(CLINICS / "harbor.toml")
    said = sms(clinic, "en", [("course_scheduled", facts(clinic, "course_scheduled"))])
    assert said.count("Dec, 9:00") == 6
    assert "Your 6 visits" in said


def test_words_for_html_are_escaped():
    assert "<b>" not in html("Hello <b>you</b>\n\nhttps://a.example/x?y=1&z=2.")
    assert 'href="https://a.example/x?y=1&amp;z=2"' in html("Go to https://a.example/x?y=1&z=2.")


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("Your ketamine visit", "ketamine"),
        ("Su sesión de Ketamina", "ketamina"),
        ("for your DEPRESSION", "depression"),
        ("contra la depresión", "depresion"),
        ("take 50 mg", "mg"),
        ("Your PHQ-9 is due", "phq"),
        ("an injection at 9", "injection"),
    ],
)
def test_words_about_health_are_found(said, word):
    assert any(word in found for found in forbidden_words(said))


def test_nobody_is_asked_to_reply_cancel():
    assert forbidden_words("To change, reply CANCEL.")
    assert forbidden_words("Responda CANCELAR para cambiar.")
    assert not forbidden_words("Reply STOP to stop texts.")


def written() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pack in ("messages", "words_en", "words_es"):
        part = tomllib.loads((CLINICS / "packs" / f"{pack}.toml").read_text())["messages"]
        found |= {key: value for key, value in part.items() if key != "words"}
        found.setdefault("words", {}).update(part.get("words", {}))
    return found | {"sender": "Harbor Clinic"}


def test_what_is_wrong_with_a_text_is_named_by_its_key():
    data = written()
    data["sender"] = "Ketamine Palace"
    texts = data["words"]["en"]["texts"]
    texts["eve"]["sms"] = "Your dose is {amount} at {time}: {link} {day}"
    texts["help"]["sms"] = "Call us {"
    texts["cancelled"] = {"sms": "It is off: {dates}, {phone}"}
    texts["new_one"] = {"sms": "What is this"}
    del texts["opt_out"]
    data["words"]["es"]["sms_footer"] = "Adiós, hasta luego"
    problems = Messages.model_validate(data).problems()
    found = dict(problems)
    assert "a drug" in found["sender"]
    eve = [message for key, message in problems if key == "words.en.texts.eve.sms"]
    assert eve[0] == "says 'dose' (a dose)"
    assert eve[1].startswith("{amount} is not known here; allowed: {clinic}, {day}")
    assert "cannot be read" in found["words.en.texts.help.sms"]
    assert found["words.en.texts.cancelled"] == "needs subject and email beside sms"
    assert found["words.en.texts.new_one"].startswith("nothing sends this text")
    assert found["words.en.texts.opt_out"] == "is missing"
    assert "STOP" in found["words.es.sms_footer"]


def test_a_clinic_with_a_bad_text_does_not_load_and_the_error_names_it(tmp_path):
    for pack in (CLINICS / "packs").iterdir():
        (tmp_path / "packs").mkdir(exist_ok=True)
        (tmp_path / "packs" / pack.name).write_text(pack.read_text())
    words = tmp_path / "packs" / "words_en.toml"
    words.write_text(words.read_text().replace("See you {day}", "See you for ketamine {day}", 1))
    (tmp_path / "clinic.toml").write_text((CLINICS / "harbor.toml").read_text())
    with pytest.raises(ClinicError, match=r"messages\.words\.en\.texts\.arrival\.sms: says 'ketamine'"):
        load(tmp_path / "clinic.toml")


def test_segments_are_counted_as_carriers_do():
    assert segments("a" * 160) == 1
    assert segments("a" * 161) == 2
    assert segments("á" * 70) == 1
    assert segments("á" * 71) == 2
    assert segments("€" * 80) == 1
    assert segments("ñ¿é" * 53) == 1
