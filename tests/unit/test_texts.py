"""Every language of every service knows every text, with the same values in it."""

import re
from pathlib import Path

import pytest

from shared.web.i18n import MissingText, Texts

ROOT = Path(__file__).parents[2]
SHARED = ROOT / "shared" / "web" / "texts"
FOLDERS = [SHARED, *sorted(it for it in ROOT.glob("services/*/texts") if any(it.glob("*.toml")))]
VALUE = re.compile(r"\{(\w+)\}")
CALL = re.compile(r"""(?<![\w.])t\(\s*["']([\w.-]+)["']\s*[,)]""")


def named(text: str) -> set[str]:
    return set(VALUE.findall(text))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_no_language_lacks_a_text(folder):
    assert Texts([SHARED, folder]).missing() == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_a_text_names_the_same_values_in_every_language(folder):
    english, *others = Texts([folder]).by_language.values()
    for texts in others:
        assert [key for key, text in english.items() if named(text) != named(texts[key])] == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_templates_name_texts_that_exist(folder):
    texts = Texts([SHARED, folder])
    keys = {key for page in folder.parent.glob("templates/**/*.html") for key in CALL.findall(page.read_text())}
    assert {key for key in keys if not texts.has("en", key)} == set()


def test_a_text_that_no_language_knows_is_an_error():
    with pytest.raises(MissingText):
        Texts([SHARED]).get("en", "no.such.text")


def test_values_in_markup_are_escaped():
    texts = Texts([SHARED])
    shown = texts.get("es", "emergency.text_html", emergency="<script>", crisis="988")
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
