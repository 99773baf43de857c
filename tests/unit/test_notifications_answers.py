"""What a patient's text means. What is not plain is never guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifications.domain.answers import Answer, of_the_ride, read
from services.notifications.domain.delivery import State, may_move, state_of, wait_before


@pytest.mark.parametrize(
    "body", ["1", " 1 ", "1.", "yes", "Yes!", "YES", "sí", "Si", "ok thanks", "yes thank you", "claro"]
)
def test_a_plain_yes(body):
    assert read(body) == Answer("yes")


@pytest.mark.parametrize(
    ("body", "escort"),
    [
        ("Karin, my wife", "Karin, my wife"),
        ("1 Karin", "Karin"),
        ("1, Karin", "Karin"),
        ("yes my mom", "my mom"),
        ("my sister", "my sister"),
        ("mi hermana Rosa", "mi hermana Rosa"),
        ("María José", "María José"),
        ("Sí, José", "José"),
        ("Anne-Marie O'Neil", "Anne-Marie O'Neil"),
        ("Karin.", "Karin"),
        ("KARIN", "KARIN"),
        ("my brother can take me", "my brother can take me"),
        ("mi hermana me lleva", "mi hermana me lleva"),
    ],
)
def test_a_name_is_a_yes_with_an_escort(body, escort):
    assert read(body) == Answer("yes", escort)


@pytest.mark.parametrize("body", ["2", "no", "No.", "nobody", "Nadie"])
def test_a_plain_no(body):
    assert read(body) == Answer("no")


@pytest.mark.parametrize(
    "body",
    [
        "", "   ", "3", "12", "?", "who?", "Who", "maybe", "not sure", "I think Karin", "no problem, Karin",
        "2 had toast at 7", "Uber", "Taxi", "I will drive myself", "Thanks", "Hello", "Gracias", "yes but late",
        "1 or 2", "yes no", "karin",
        "Call me", "Karin or Tom, depends on when she is free", "I ate", "Sick", "👍", "x" * 81, "cancel",
        "yes at 3pm", "1?", "Good Morning", "Mañana", "See You There",
    ],
)  # fmt: skip
def test_everything_else_is_read_by_a_person(body):
    assert read(body) == Answer("unclear")


@pytest.mark.parametrize(
    "body",
    [
        "Emergency", "Suicidal", "Desmayada",
        "Nauseous", "Dizzy", "Terrible", "Scared", "Bleeding", "Mal", "Mareada", "Tengo miedo", "Ok dizzy",
        "1 nauseous", "Undecided", "Unsure", "Idk", "Wait", "Later", "Después", "Todavía", "Ya", "Us",
        "WRONG NUMBER", "STOP TEXTING", "STOP MESSAGES", "COME NOW", "Unsubscribe Me", "Número Equivocado",
        "my mother is dying", "my husband refuses", "my wife left", "mi esposo murió",
    ],
)  # fmt: skip
def test_a_word_that_a_telephone_wrote_large_is_nobodys_name(body):
    """Telephones begin every text with a capital: what somebody feels must not look like who takes them home."""
    assert read(body) == Answer("unclear")


@pytest.mark.parametrize(
    ("body", "of_it"),
    [("1", True), ("2", True), ("no", True), ("Sí, José", True), ("Karin, my wife", True), ("mi hermana", True),
     ("Karin", False), ("Shaken", False), ("ok", False), ("ok Karin", False), ("", False), ("not well", False)],
)  # fmt: skip
def test_only_what_names_the_ride_by_itself_is_certainly_about_it(body, of_it):
    assert of_the_ride(body) is of_it


@given(st.text(max_size=200))
def test_any_text_has_a_meaning(body):
    answer = read(body)
    assert answer.meaning in ("yes", "no", "unclear")
    assert answer.escort is None or (answer.meaning == "yes" and answer.escort.strip())


def test_reports_in_any_order_never_take_a_delivery_back():
    assert state_of("delivered") is State.DELIVERED
    assert state_of("never-heard-of") is None
    assert may_move(State.SENDING, State.SENT)
    assert may_move(State.SENT, State.DELIVERED)
    assert may_move(State.SENT, State.FAILED)
    assert not may_move(State.DELIVERED, State.SENT)
    assert not may_move(State.DELIVERED, State.FAILED)
    assert not may_move(State.FAILED, State.SENT)
    assert not may_move(State.SENT, State.SENT)


def test_waits_grow_and_end():
    waits = [wait_before(attempt).total_seconds() for attempt in range(1, 9)]
    assert waits[:3] == [5, 20, 80]
    assert max(waits) == 900
