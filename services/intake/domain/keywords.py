"""The words that change what we may send, recognised at once.

Sources: opt-out words of the FCC's rule of 11 April 2025 and of the carriers; "any reasonable manner" of asking
counts too, so what merely sounds like an opt-out goes to a person. A patient is never told to reply CANCEL; when it
comes it opts out and a person asks whether the appointment was meant.
"""

import re
from dataclasses import dataclass
from typing import Literal

Keyword = Literal["stop", "start", "help"]

_CANCEL = frozenset({"cancel", "cancelar"})
_STOP = _CANCEL | {
    "stop", "quit", "end", "revoke", "opt out", "optout", "opt-out", "unsubscribe", "stopall", "stop all", "remove",
    "alto", "parar", "basta", "baja", "salir",
}  # fmt: skip
_START = frozenset({"start", "unstop"})
_YES = frozenset({"yes", "si", "sí"})
_HELP = frozenset({"help", "info", "ayuda"})
_POLITE = re.compile(r"\b(?:please|pls|plz|por favor|thanks|thank you|gracias)\b")
_EDGES = re.compile(r"^[^\w]+|[^\w]+$")
_SPACES = re.compile(r"\s+")
_SOUNDS_LIKE_STOP = re.compile(
    r"\b(?:"
    r"stop (?:it|this|now|texting|messaging|sending|contacting|calling|writing|these|all|texts?|messages?|sms"
    r"|the (?:texts|messages))"
    r"|(?:quit|end|cancel|no) (?:texting|messaging|(?:the |these |all )?(?:texts|messages))"
    r"|(?:do ?n[o']?t|do not|never) (?:text|message|contact|write|send)"
    r"|no more (?:texts?|messages?)|(?:take|get) me off|remove (?:me|my number)"
    r"|unsub(?:scribe)?|opt[ -]?out|opt me out|not interested"
    r"|leave me alone|wrong (?:number|person)"
    r"|no (?:me )?(?:escriban?|manden?|envíen?|envien?|contacten?|llamen?)|dejen? de|deja de|no m[áa]s mensajes"
    r"|no m[áa]s textos|no quiero (?:más|mas|recibir|mensajes|textos)|no (?:me interesa|estoy interesad[oa])"
    r"|n[úu]mero equivocado"
    r")\b"
    r"|^\W*(?:(?:stop|alto|basta)\b\W*){2,}$|^\W*stop\W*\n"  # said twice, or signed
)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a text asks of us: `cancel` is an opt-out that may mean an appointment, `doubt` a likely one."""

    keyword: Keyword | None = None
    cancel: bool = False
    doubt: bool = False


def recognise(body: str, *, opted_out: bool, vendor_says: str | None = None) -> Meaning:
    """Read a text. "Yes" opts in only where the number has opted out; else it answers what was last asked.

    `vendor_says` is Twilio's own `OptOutType` (STOP, START, HELP), which counts as if the word had been written.
    """
    bare = _bare(body)
    cancel = bare in _CANCEL
    if bare in _STOP or vendor_says == "STOP":
        return Meaning("stop", cancel=cancel)
    if bare in _START or (bare in _YES and opted_out) or vendor_says == "START":
        return Meaning("start")
    if bare in _HELP or vendor_says == "HELP":
        return Meaning("help")
    return Meaning(doubt=_SOUNDS_LIKE_STOP.search(body.casefold().replace("’", "'")) is not None)


def _bare(body: str) -> str:
    words = _POLITE.sub(" ", body.casefold())
    return _EDGES.sub("", _SPACES.sub(" ", words))
