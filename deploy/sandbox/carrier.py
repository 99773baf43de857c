"""Twilio behind its REST API: takes texts, delivers them, reports, and brings the patients' answers.

Statuses and webhooks are signed as Twilio signs them, by Twilio's own package.
"""

import asyncio
import secrets
from collections.abc import Coroutine
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import phonenumbers
import structlog
from twilio.request_validator import RequestValidator

from deploy.sandbox.settings import SandboxSettings
from deploy.sandbox.world import Direction, Text, World, moved_on
from shared.clock import Clock

log = structlog.get_logger()

STOP_WORDS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
START_WORDS = frozenset({"START", "YES", "UNSTOP"})
HELP_WORDS = frozenset({"HELP", "INFO"})
_STOPPED = (
    "You have successfully been unsubscribed. You will not receive any more messages from this number. "
    "Reply START to resubscribe."
)
_STARTED = (
    "You have successfully been re-subscribed to messages from this number. Reply HELP for help. "
    "Reply STOP to unsubscribe. Msg&Data Rates May Apply."
)
_HELPED = "Reply STOP to unsubscribe. Msg&Data Rates May Apply."
_SLOW_SECONDS = 20
_TRIES = 3
_LOST = {"undeliverable": 30003, "landline": 30006}
"""The fault, and what Twilio says of a text that did not arrive by it."""


class Refused(Exception):
    """Twilio's error: its code, its words and the HTTP status."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class Carrier:
    """Twilio, seen from the clinic's account."""

    def __init__(self, world: World, settings: SandboxSettings, clock: Clock, http: httpx.AsyncClient) -> None:
        self._world = world
        self._settings = settings
        self._clock = clock
        self._http = http
        self._validator = RequestValidator(settings.auth_token.get_secret_value())
        self._running: set[asyncio.Task[None]] = set()

    async def accept(self, *, to: str, sender: str, body: str, callback: str | None) -> Text:
        """Take a text from the clinic; it is on its way when this returns.

        Raises:
            Refused: as Twilio refuses it.
        """
        if self._world.faults.sms == "down":
            raise Refused(20503, "Service unavailable", 503)
        if self._world.faults.sms == "slow":
            await asyncio.sleep(_SLOW_SECONDS)
        _check(to, body)
        if to in self._world.opted_out:
            raise Refused(21610, "Attempt to send to unsubscribed recipient")
        text = await self._keep("outbound-api", sender, to, body, "queued", callback)
        self._start(self._deliver(text))
        if self._world.faults.sms == "accept_then_500":
            raise Refused(20500, "Internal Server Error", 500)
        return text

    async def receive(self, *, sender: str, body: str, to: str | None = None) -> Text:
        """A patient texts the clinic. Returns when the text is stored; the webhook follows.

        Raises:
            Refused: the number is not one.
        """
        _check(sender, body)
        text = await self._keep("inbound", sender, to or self._settings.clinic_number, body, "received", None)
        self._start(self._bring(text))
        return text

    async def stop(self) -> None:
        """End what is on its way."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _keep(
        self, direction: Direction, sender: str, to: str, body: str, status: str, callback: str | None
    ) -> Text:
        now = self._clock.now()
        text = Text(f"SM{secrets.token_hex(16)}", direction, sender, to, body, status, now, now, callback=callback)
        await self._world.keep_text(text)
        return text

    async def _deliver(self, text: Text) -> None:
        lost = _LOST.get(self._world.faults.sms)
        for status in ("sent", "delivered" if lost is None else "undelivered"):
            await asyncio.sleep(self._settings.transit_seconds)
            text = moved_on(text, status, self._clock.now(), lost if status == "undelivered" else None)
            await self._world.keep_text(text)
            if text.callback:
                await self.webhook(text.callback, self._status_of(text))

    async def _bring(self, text: Text) -> None:
        if self._settings.opt_out == "twilio":
            await self._heed(text, text.body.strip().upper())
        if not self._settings.inbound_url:
            return
        answer = await self.webhook(self._settings.inbound_url, self._inbound_of(text))
        for body in _answers(answer):
            reply = await self._keep("outbound-reply", text.to, text.sender, body, "queued", None)
            await self._deliver(reply)

    async def _heed(self, text: Text, word: str) -> None:
        """Twilio's own handling of the words that stop, start and help."""
        if word in STOP_WORDS:
            await self._world.opt_out(text.sender, stopped=True)
            said = _STOPPED
        elif word in START_WORDS and text.sender in self._world.opted_out:
            await self._world.opt_out(text.sender, stopped=False)
            said = _STARTED
        elif word in HELP_WORDS:
            said = _HELPED
        else:
            return
        await self._keep("outbound-reply", text.to, text.sender, said, "delivered", None)

    async def webhook(self, url: str, form: dict[str, str]) -> httpx.Response | None:
        """A signed webhook, tried again when it fails. None when nobody took it."""
        token = secrets.token_hex(8)
        for attempt in range(_TRIES):
            headers = {
                "X-Twilio-Signature": self._validator.compute_signature(url, form),
                "I-Twilio-Idempotency-Token": token,
            }
            try:
                answer = await self._http.post(url, data=form, headers=headers)
                if not answer.is_server_error:
                    return answer
            except httpx.TransportError:
                pass
            log.warning("sandbox.webhook_failed", sid=form.get("MessageSid") or form.get("CallSid"), attempt=attempt)
            await asyncio.sleep(2**attempt)
        return None

    def _status_of(self, text: Text) -> dict[str, str]:
        form = {"MessageStatus": text.status, "SmsStatus": text.status, **self._about(text)}
        return form if text.error_code is None else {**form, "ErrorCode": str(text.error_code)}

    def _inbound_of(self, text: Text) -> dict[str, str]:
        parts = {"NumMedia": "0", "NumSegments": str(segments(text.body)), "SmsStatus": "received"}
        return {**self._about(text), **parts, "Body": text.body}

    def _about(self, text: Text) -> dict[str, str]:
        return {
            "MessageSid": text.sid, "SmsSid": text.sid, "AccountSid": self._settings.account_sid,
            "From": text.sender, "To": text.to, "ApiVersion": "2010-04-01",
        }  # fmt: skip

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)


def segments(body: str) -> int:
    """How many parts the text is sent in: 160 characters of the GSM alphabet, 70 beyond it, less when joined."""
    alone, joined = (160, 153) if body.isascii() else (70, 67)
    return 1 if len(body) <= alone else -(-len(body) // joined)


def _check(number: str, body: str) -> None:
    try:
        possible = number.startswith("+") and phonenumbers.is_possible_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        possible = False
    if not possible:
        raise Refused(21211, f"Invalid 'To' Phone Number: {number}")
    if not body.strip():
        raise Refused(21602, "Message body is required")
    if len(body) > 1600:
        raise Refused(21617, "The concatenated message body exceeds the 1600 character limit")


def _answers(answer: httpx.Response | None) -> list[str]:
    """The messages of a TwiML answer."""
    if answer is None or not answer.content or "xml" not in answer.headers.get("content-type", ""):
        return []
    root = ET.fromstring(answer.content)  # noqa: S314 — from our own service, in development
    return ["".join(message.itertext()).strip() for message in root.iter("Message")]
