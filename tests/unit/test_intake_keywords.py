import pytest

from services.intake.domain.keywords import Meaning, recognise


@pytest.mark.parametrize(
    "body",
    [
        "STOP", "stop", " Stop. ", "STOP!", '"stop"', "please stop", "Stop please", "stop, por favor", "quit", "END",
        "revoke", "opt out", "Opt-Out", "optout", "unsubscribe", "STOPALL", "stop all", "remove", "ALTO", "baja",
    ],
)  # fmt: skip
def test_every_opt_out_word_stops_at_once(body):
    assert recognise(body, opted_out=False) == Meaning("stop")


@pytest.mark.parametrize("body", ["CANCEL", "cancel please", "Cancelar"])
def test_cancel_opts_out_and_may_mean_an_appointment(body):
    assert recognise(body, opted_out=False) == Meaning("stop", cancel=True)


@pytest.mark.parametrize("body", ["start", "UNSTOP", "Start!"])
def test_start_words_opt_in(body):
    assert recognise(body, opted_out=False).keyword == "start"


@pytest.mark.parametrize("body", ["yes", "Sí", "si"])
def test_yes_opts_in_only_after_an_opt_out(body):
    assert recognise(body, opted_out=True).keyword == "start"
    assert recognise(body, opted_out=False) == Meaning()


@pytest.mark.parametrize("body", ["help", "INFO", "ayuda"])
def test_help_words(body):
    assert recognise(body, opted_out=False).keyword == "help"


@pytest.mark.parametrize(
    "body",
    [
        "stop texting me", "Please don't text me again", "don’t message this number", "Do not contact me",
        "take me off your list", "no more messages", "leave me alone", "wrong number",
        "no me escriban más", "No quiero recibir mensajes", "I want to unsubscribe from this",
        "Stop messages", "stop all texts", "STOP STOP", "STOP\n\nSent from my iPhone", "Quit texting", "cancel texts",
        "no más textos", "No quiero mensajes", "Not interested", "No estoy interesada",
    ],
)  # fmt: skip
def test_what_sounds_like_an_opt_out_goes_to_a_person(body):
    assert recognise(body, opted_out=False) == Meaning(doubt=True)


@pytest.mark.parametrize(
    "body", ["1", "Karin, my wife", "I can't stop thinking about it", "what time does it end?", "", "remove the stairs",
             "end of the message", "no text came", "I'll stop by at 3"],
)  # fmt: skip
def test_ordinary_answers_mean_nothing_here(body):
    assert recognise(body, opted_out=False) == Meaning()


def test_the_vendors_own_word_counts_as_if_it_was_written():
    assert recognise("adios", opted_out=False, vendor_says="STOP").keyword == "stop"
    assert recognise("hola", opted_out=False, vendor_says="START").keyword == "start"
    assert recognise("?", opted_out=False, vendor_says="HELP").keyword == "help"
