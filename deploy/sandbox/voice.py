"""Somebody calls the clinic's number: Twilio's voice webhooks, signed, and what the caller hears."""

import io
import secrets
import wave
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.etree import ElementTree as ET

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from deploy.sandbox.carrier import Carrier
from deploy.sandbox.settings import SandboxSettings
from shared.clock import Clock

_RATE = 8_000


class NewCall(BaseModel):
    """A call; `seconds` of words after the tone, 0 for who hangs up. "anonymous" withholds the number."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    caller: str = Field(alias="from")
    seconds: int = Field(default=0, ge=0, le=180)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a caller heard, and how long they spoke."""

    at: datetime
    caller: str
    words: tuple[str, ...]
    seconds: int


class Telephone:
    """Calls to the clinic's number, one after another."""

    def __init__(self, carrier: Carrier, settings: SandboxSettings, clock: Clock) -> None:
        self._carrier, self._settings, self._clock = carrier, settings, clock
        self.last: Heard | None = None
        self.recordings: dict[str, int] = {}
        """Seconds of each recording, by its sid."""

    async def call(self, caller: str, seconds: int) -> Heard:
        """Call, listen, speak or hang up. Gives what was heard."""
        about = {
            "CallSid": f"CA{secrets.token_hex(16)}", "AccountSid": self._settings.account_sid, "From": caller,
            "To": self._settings.clinic_number, "Direction": "inbound", "ApiVersion": "2010-04-01",
            "StirVerstat": "TN-Validation-Passed-A",
        }  # fmt: skip
        said, record = _played(
            await self._carrier.webhook(self._settings.voice_url, {**about, "CallStatus": "ringing"})
        )
        words = said
        if record is not None and seconds:
            sid = f"RE{secrets.token_hex(16)}"
            self.recordings[sid] = seconds
            left = {
                "CallStatus": "in-progress", "RecordingSid": sid, "RecordingDuration": str(seconds), "Digits": "hangup",
                "RecordingUrl": f"{self._address}/twilio/2010-04-01/Accounts/{about['AccountSid']}/Recordings/{sid}",
            }  # fmt: skip
            words += _played(await self._carrier.webhook(record, {**about, **left}))[0]
        over = {"CallStatus": "completed", "CallDuration": str(seconds + 20)}
        await self._carrier.webhook(f"{self._settings.voice_url}/status", {**about, **over})
        self.last = Heard(self._clock.now(), caller, tuple(words), seconds)
        return self.last

    @property
    def _address(self) -> str:
        return f"http://{self._settings.host}:{self._settings.port}"


def router(telephone: Telephone, settings: SandboxSettings) -> APIRouter:
    """Calls for tests and demos, and what was recorded."""
    routes = APIRouter()

    @routes.post("/api/calls", status_code=201)
    async def call(body: NewCall) -> dict[str, Any]:
        """Somebody calls; answers with what they heard when they have hung up."""
        if not settings.voice_url:
            raise HTTPException(409, "this sandbox was started without voice_url: nobody takes calls")
        heard = await telephone.call(body.caller, body.seconds)
        return {"heard": list(heard.words), "seconds": heard.seconds}

    @routes.get("/twilio/2010-04-01/Accounts/{account}/Recordings/{sid}")
    async def recording(account: str, sid: str) -> Response:
        """What was said, as a sound file: silence of the right length."""
        seconds = telephone.recordings.get(sid.removesuffix(".wav"))
        if seconds is None or account != settings.account_sid:
            raise HTTPException(404, "no such recording")
        return Response(_silence(seconds), media_type="audio/x-wav")

    return routes


def _played(answer: Any) -> tuple[list[str], str | None]:
    """What TwiML says, up to the tone, and where a recording goes."""
    if answer is None or not answer.is_success or not answer.content:
        return ["(The number is not in service.)"], None
    said: list[str] = []
    for verb in ET.fromstring(answer.content):  # noqa: S314 — from our own service, in development
        if verb.tag == "Say":
            said.append(verb.text or "")
        elif verb.tag == "Record":
            return said, verb.get("action")
    return said, None


def _silence(seconds: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(_RATE)
        sound.writeframes(b"\x80" * _RATE * seconds)
    return out.getvalue()
