"""What a patient's text means as the answer to "who takes you home?". What is not plain is never guessed."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

Meaning = Literal["yes", "no", "unclear"]


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_YES = _set("1 yes y yeah yep yup ok okay sure confirm confirmed confirmado confirmo si sí claro listo")
_NO = _set("2 no n nope nobody none nadie ninguno ninguna")
_KIN = _set(
    "wife husband partner spouse mother mom mum father dad sister brother son daughter friend aunt uncle cousin "
    "neighbor neighbour grandmother grandfather boyfriend girlfriend roommate "
    "esposa esposo pareja madre mamá mama padre papá papa hermana hermano hijo hija amiga amigo tía tia tío tio "
    "prima primo vecina vecino abuela abuelo novia novio"
)
_SMALL = _set("my mi the la el and y with con is es de del van von da will va a llevarme me takes drives")
_CHAT = _set(
    "thanks thank you please hi hello hey good great fine perfect cool nice morning evening afternoon night see done "
    "today tomorrow sorry bye will there soon noted got it right absolutely "
    "gracias por favor hola buenas buenos buena bueno días dias tardes noches bien perfecto genial hoy mañana manana "
    "adiós adios vale hecho entendido"
)
_DOUBT = _set(
    "not don't dont can't cant cannot maybe perhaps probably think but unless until if when where why who what how "
    "problem sick late cancel reschedule change move call help uber lyft taxi cab bus train drive driving myself "
    "alone walk walking bike ate eat drank drink i "
    "quizás quizas quizá quiza tal vez creo pero cuando donde dónde quién quien qué cómo como problema enfermo "
    "enferma tarde cancelar cambiar mover llame ayuda autobús autobus tren sola solo caminando comí bebí puedo yo"
)
_LONGEST_NAME = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """How a text was understood. `escort` is the name that it gives, as written."""

    meaning: Meaning
    escort: str | None = None


def read(body: str) -> Answer:
    """Read an answer: "1", "sí, mi hermana", "Karin, my wife", "2". Everything with doubt in it is "unclear"."""
    text = unicodedata.normalize("NFC", body).strip()
    if not text or len(text) > 80 or "?" in text:
        return Answer("unclear")
    words = re.findall(r"[\w'’-]+", text)
    plain = [word.casefold().replace("’", "'") for word in words]
    if not plain:
        return Answer("unclear")
    if plain[0] in _NO:
        return Answer("no") if len(plain) == 1 else Answer("unclear")
    if plain[0] in _YES:
        rest = re.sub(r"^\W*[\w'’]+[\s,.:;!-]*", "", text).strip()
        if set(plain[1:]) <= _CHAT:
            return Answer("yes")
        return Answer("yes", rest) if _only_names(plain[1:]) else Answer("unclear")
    return Answer("yes", text.rstrip(".!")) if _names_somebody(words, plain) else Answer("unclear")


def _only_names(plain: list[str]) -> bool:
    fine = all(word.replace("'", "").replace("-", "").isalpha() for word in plain)
    return fine and len(plain) <= _LONGEST_NAME and not set(plain) & (_DOUBT | _NO)


def _names_somebody(words: list[str], plain: list[str]) -> bool:
    """A bare name starts with a capital, or says who it is: "my sister"."""
    if not _only_names(plain) or set(plain) <= _SMALL or set(plain) & _CHAT - _SMALL:
        return False
    if set(plain) & _KIN:
        return True
    return all(word[0].isupper() or word.casefold() in _SMALL for word in words)
