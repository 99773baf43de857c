"""Twilio's webhooks: is it really Twilio, and what does it say."""

import re
from collections.abc import Iterator, Mapping

from starlette.datastructures import FormData
from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import VoiceResponse

from services.intake.domain.call import Ring, Voicemail
from services.intake.domain.text import Text
from services.intake.domain.words import WORDS_LIMIT, clean, clean_line
from services.intake.reading import sender_number

SIGNATURE = "X-Twilio-Signature"
NOTHING_TO_SAY = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'


VOICES = {"en": "en-US", "es": "es-US"}
LONGEST_VOICEMAIL_SECONDS = 180
_SILENCE_SECONDS = 8
URL_LIMIT = 1_000
_KIND = re.compile(r"[a-z]+/[a-z0-9.+-]{1,60}")
_SID = re.compile(r"[A-Za-z0-9]{1,64}")


class NotACall(ValueError):
    """Signed by Twilio, yet without what a call has. The message is a code."""


class NotAText(ValueError):
    """Signed by Twilio, yet without what a text has. The message is a code."""


def is_genuine(token: str, url: str, parameters: FormData, signature: str | None) -> bool:
    """Whether Twilio signed these parameters for this public address."""
    return signature is not None and bool(RequestValidator(token).validate(url, parameters, signature))


def read_ring(parameters: Mapping[str, str]) -> Ring:
    """Who calls, from any webhook of a call.

    Raises:
        NotACall: without the call's id.
    """
    sid = parameters.get("CallSid", "")
    if _SID.fullmatch(sid) is None:
        raise NotACall("no-call-id")
    trusted = not parameters.get("StirVerstat", "").startswith("TN-Validation-Failed")
    return Ring(sid, sender_number(parameters.get("From", "")), trusted)


def read_voicemail(parameters: Mapping[str, str]) -> Voicemail | None:
    """What was recorded; None where it is empty."""
    url, seconds = parameters.get("RecordingUrl", ""), parameters.get("RecordingDuration", "")
    if not url.startswith(("https://", "http://")) or len(url) > URL_LIMIT:
        return None
    length = int(seconds) if seconds.isascii() and seconds.isdecimal() and len(seconds) < 6 else 0
    return Voicemail(url, length) if length else None


def ask_for_words(greetings: Mapping[str, str], goodbye: str, language: str, action: str) -> str:
    """TwiML: the greeting in each language, then the tone. Nothing is transcribed: words stay where they are."""
    answer = VoiceResponse()
    for spoken, greeting in greetings.items():
        answer.say(greeting, language=VOICES.get(spoken, spoken))
    answer.record(
        action=action, method="POST", max_length=LONGEST_VOICEMAIL_SECONDS, timeout=_SILENCE_SECONDS, play_beep=True,
        transcribe=False, trim="trim-silence",
    )  # fmt: skip
    # Reached where nothing was said.
    answer.say(goodbye, language=VOICES.get(language, language))
    answer.hangup()
    return str(answer)


def say_goodbye(goodbye: str, language: str) -> str:
    """TwiML: the last word."""
    answer = VoiceResponse()
    answer.say(goodbye, language=VOICES.get(language, language))
    answer.hangup()
    return str(answer)


def read_text(parameters: Mapping[str, str]) -> Text:
    """The text of an incoming-message webhook.

    Raises:
        NotAText: without id or a sender that can be answered.
    """
    sid, sender = parameters.get("MessageSid", ""), sender_number(parameters.get("From", ""))
    if not sid or len(sid) > 64 or not sid.isalnum():
        raise NotAText("no-message-id")
    if sender is None:
        raise NotAText("sender-cannot-be-answered")
    number = parameters.get("NumMedia", "0")
    media = min(int(number), 100) if number.isascii() and number.isdecimal() else 0
    return Text(
        sid=sid,
        sender=sender,
        body=clean(parameters.get("Body", ""))[:WORDS_LIMIT],
        media=media,
        attached=tuple(_attached(parameters, media)),
        vendor_says=parameters.get("OptOutType"),
    )


def _attached(parameters: Mapping[str, str], count: int) -> Iterator[tuple[str, str]]:
    for index in range(count):
        url = clean_line(parameters.get(f"MediaUrl{index}", ""))
        kind = clean_line(parameters.get(f"MediaContentType{index}", ""))
        if url.startswith(("https://", "http://")) and len(url) <= URL_LIMIT:
            yield (kind if _KIND.fullmatch(kind) else "file"), url
