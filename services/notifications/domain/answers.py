"""What a patient's text means as the answer to "who takes you home?". What is not plain is never guessed."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from services.notifications.domain.wellbeing import alarming

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
_SMALL = _set(
    "my mi our her his the la el las los and y with con is es de del van von da will can va a to up llevarme me take "
    "takes drives gets picks home name named called llama se lleva llevará recoge casa"
)
_CHAT = _set(
    "thanks thank you please hi hello hey good great fine perfect cool nice morning evening afternoon night see done "
    "today tomorrow sorry bye will there soon noted got it right absolutely "
    "gracias por favor hola buenas buenos buena bueno días dias tardes noches bien perfecto genial hoy mañana manana "
    "adiós adios vale hecho entendido"
)
_DOUBT = _set(
    "not don't dont can't cant cannot maybe perhaps probably think but unless until if when where why who what how "
    "problem sick late cancel reschedule change move call help uber lyft taxi cab bus train drive driving myself "
    "alone walk walking bike ate eat drank drink i quizás quizas quizá quiza tal vez creo pero cuando donde dónde "
    "quién quien qué cómo como problema enfermo enferma tarde cancelar cambiar mover llame ayuda autobús autobus tren "
    "sola solo caminando comí bebí puedo yo undecided unsure uncertain idk dunno tbd pending wait waiting later yet "
    "still nothing neither either unknown hmm asking checking looking trying working busy stuck lost delayed running "
    "forgot refuses refused left we us they he she it you después despues luego todavía todavia aún aun ya nada "
    "espera espere esperen pendiente dudo duda nose nosotros ellos él ella usted ocupada ocupado"
)
_UNWELL = _set(
    "bad worse worst awful terrible horrible weird strange unwell ill rough lousy dizzy nausea nauseous nauseated "
    "vomit vomiting vomited threw pain painful hurt hurts hurting headache fever bleeding faint fainted fainting "
    "confused scared afraid anxious nervous worried panic sad crying tired exhausted weak numb shaky emergency "
    "hospital ambulance doctor nurse died dead dying die kill mal malo mala peor fatal rara raro mareo mareada "
    "mareado náusea náuseas nauseas vómito vómitos vomito vomité vomitando dolor duele fiebre sangre sangrado desmayo "
    "desmayé confundida confundido miedo asustada asustado ansiosa ansioso nerviosa nervioso triste llorando cansada "
    "cansado débil debil emergencia ambulancia médico doctora murió muerto muerta"
)
"""How somebody feels. It may be the answer to another question, and is nobody's name."""
_ENOUGH = _set(
    "stop stopall quit end revoke unsubscribe optout remove text texts texting message messages messaging spam wrong "
    "number person leave alto parar basta baja salir mensaje mensajes texto textos equivocado equivocada número "
    "numero persona"
)
"""Whoever has had enough of us, or is somebody else, names nobody."""
_NO_NAME = _DOUBT | _NO | _UNWELL | _ENOUGH
_OK = _set("ok okay")
_LONGEST_NAME = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """How a text was understood. `escort` is the name that it gives, as written."""

    meaning: Meaning
    escort: str | None = None


def read(body: str) -> Answer:
    """Read an answer: "1", "sí, mi hermana", "Karin, my wife", "2". Everything with doubt in it is "unclear"."""
    text = unicodedata.normalize("NFC", body).strip()
    if not text or len(text) > 80 or "?" in text or alarming(text):
        return Answer("unclear")
    words, plain = re.findall(r"[\w'’-]+", text), _plain(text)
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


def of_the_ride(body: str) -> bool:
    """Whether the words say by themselves that they answer this question: its number, yes or no, "my sister".

    A bare name does not: "Shaken" looks like one, and may be how somebody is. Nor does "ok".
    """
    plain = _plain(body)
    said = bool(plain) and plain[0] in (_YES | _NO) - _OK
    return read(body).meaning != "unclear" and (said or bool(set(plain) & _KIN))


def _plain(text: str) -> list[str]:
    words = re.findall(r"[\w'’-]+", unicodedata.normalize("NFC", text))
    return [word.casefold().replace("’", "'") for word in words]


def _only_names(plain: list[str]) -> bool:
    fine = all(word.replace("'", "").replace("-", "").isalpha() for word in plain)
    return fine and len(plain) <= _LONGEST_NAME and not set(plain) & _NO_NAME


def _names_somebody(words: list[str], plain: list[str]) -> bool:
    """A bare name starts with a capital, or says who it is: "my sister". Words all in capitals are no names."""
    if not _only_names(plain) or set(plain) <= _SMALL or set(plain) & _CHAT - _SMALL:
        return False
    if not all(word[0].isupper() or word.casefold() in _SMALL | _KIN for word in words):
        return False
    return bool(set(plain) & _KIN) or len(words) == 1 or not all(word.isupper() for word in words)
