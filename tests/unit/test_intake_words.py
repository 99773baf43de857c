import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.domain.words import clean, clean_line, same_person_name


def test_nul_and_control_characters_are_dropped():
    assert clean("a\x00b\x07c\x1b[31md") == "abc[31md"


def test_direction_overrides_are_dropped_so_that_a_text_reads_as_what_it_says():
    assert clean("call \u202e8410-555\u202c now \u2066x\u2069") == "call 8410-555 now x"


def test_lines_stay_and_runs_of_blanks_go():
    assert clean("  one\r\n two\t\tthree \n\n\n\n four ") == "one\ntwo three\n\nfour"


def test_a_line_has_no_breaks():
    assert clean_line(" Ana\nMaría \u2028 Ruiz ") == "Ana María Ruiz"


def test_decomposed_letters_become_one_form():
    assert clean("Jose\u0301") == "José"


def test_emoji_and_joined_scripts_stay_as_they_are():
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert clean(family) == family


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_whatever_is_typed_can_be_stored_and_cleaning_twice_changes_nothing(text):
    once = clean(text)
    assert "\x00" not in once
    once.encode("utf-8")
    assert clean(once) == once


def test_names_of_one_person_are_written_in_many_ways():
    assert same_person_name("Maya Lindqvist", "maya")
    assert same_person_name("José Peña", "JOSE PENA")
    assert not same_person_name("Maya Lindqvist", "Jonah Price")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Maya Lindqvist", "Jonah Lindqvist", False),
        ("Ana Ruiz", "Luis Ruiz", False),
        ("Ana Ruiz", "Ana Pérez", False),
        ("Maya K. Lindqvist", "Maya Lindqvist", True),
        ("Maya Karin Lindqvist", "Maya K Lindqvist", True),
        ("M. Lindqvist", "Maya Lindqvist", True),
        ("Dr. Maya Lindqvist", "Maya Lindqvist Berg", True),
        ("Mr Lindqvist", "Mr Price", False),
        ("Mr", "Mr", True),
    ],
)
def test_who_shares_a_surname_is_not_yet_the_same_person(one, other, same):
    assert same_person_name(one, other) is same
    assert same_person_name(other, one) is same
