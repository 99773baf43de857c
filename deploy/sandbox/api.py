"""The sandbox's own JSON API, for tests and demos."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Self

from fastapi import APIRouter, HTTPException
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from deploy.sandbox.carrier import Carrier
from deploy.sandbox.settings import SandboxSettings
from deploy.sandbox.stepping import Moved, NotForward, Stepping
from deploy.sandbox.world import Mail, PayerFault, SmsFault, SmtpFault, Text, World
from shared.clock import Clock


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewText(_Body):
    """A patient's text."""

    sender: str = Field(alias="from")
    to: str | None = None
    body: str


class Move(_Body):
    """One of: so many seconds on, to a moment, to the next due time."""

    forward_seconds: float | None = Field(default=None, ge=0, le=timedelta(days=400).total_seconds())
    to: AwareDatetime | None = None
    next: bool = False

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum((self.forward_seconds is not None, self.to is not None, self.next)) != 1:
            raise ValueError('send one of "forward_seconds", "to" and "next": true')
        return self


class NewFaults(_Body):
    """What is left out stays as it is."""

    sms: SmsFault | None = None
    smtp: SmtpFault | None = None
    payer: PayerFault | None = None


def router(
    world: World, carrier: Carrier, settings: SandboxSettings, clock: Clock, stepping: Stepping | None
) -> APIRouter:
    """The routes under /api."""
    routes = APIRouter(prefix="/api")

    @routes.get("/messages")
    async def messages(to: str | None = None, sender: str | None = None) -> list[dict[str, Any]]:
        """Texts, oldest first; `to` and `sender` narrow them."""
        return [
            _text(text) for text in world.texts if text.to == (to or text.to) and text.sender == (sender or text.sender)
        ]

    @routes.get("/mails")
    async def mails(to: str | None = None) -> list[dict[str, Any]]:
        """Mails, oldest first."""
        return [_mail(mail) for mail in world.mails if mail.to.lower() == (to or mail.to).lower()]

    @routes.post("/texts", status_code=201)
    async def text(body: NewText) -> dict[str, Any]:
        """A patient texts the clinic."""
        return _text(await carrier.receive(sender=body.sender, body=body.body, to=body.to))

    @routes.get("/clock")
    async def read_clock() -> dict[str, Any]:
        """Business time, and when something is due next."""
        due = await stepping.next_due() if stepping is not None else None
        return {
            "now": clock.now().isoformat(),
            "next_due": due.isoformat() if due else None,
            "movable": stepping is not None,
            "moving": stepping is not None and stepping.moving,
        }

    @routes.post("/clock")
    async def move_clock(move: Move) -> dict[str, Any]:
        """Move business time forward; answers when everything that was due on the way has happened."""
        moved = await moving(stepping, move.forward_seconds, move.to)
        await world.touch()
        return {"now": moved.now.isoformat(), "steps": moved.steps, "stuck": list(moved.stuck)}

    @routes.get("/faults")
    async def read_faults() -> dict[str, str]:
        """What is broken on purpose."""
        return {"sms": world.faults.sms, "smtp": world.faults.smtp, "payer": world.faults.payer}

    @routes.post("/faults")
    async def set_faults(faults: NewFaults) -> dict[str, str]:
        """Break something, or mend it with "ok"."""
        world.faults.sms = faults.sms or world.faults.sms
        world.faults.smtp = faults.smtp or world.faults.smtp
        world.faults.payer = faults.payer or world.faults.payer
        return await read_faults()

    @routes.get("/about")
    async def about() -> dict[str, str]:
        """What tests need to know of this sandbox."""
        return {"clinic_number": settings.clinic_number, "account_sid": settings.account_sid}

    return routes


async def moving(stepping: Stepping | None, seconds: float | None, to: datetime | None) -> Moved:
    """Move by seconds, to a moment, or, with neither, to the next due time.

    Raises:
        HTTPException: 409 where the clock can't be moved, 422 where the moment has passed.
    """
    if stepping is None:
        raise HTTPException(409, "this sandbox was started without a database: it has no clock to move")
    try:
        if seconds is not None:
            return await stepping.by(seconds)
        return await stepping.to_next() if to is None else await stepping.forward(to)
    except NotForward as error:
        raise HTTPException(422, str(error)) from None


def _text(text: Text) -> dict[str, Any]:
    return {
        "sid": text.sid,
        "direction": text.direction,
        "from": text.sender,
        "to": text.to,
        "body": text.body,
        "status": text.status,
        "at": text.created_at.isoformat(),
        "error_code": text.error_code,
    }


def _mail(mail: Mail) -> dict[str, Any]:
    return {**asdict(mail), "at": mail.at.isoformat(), "from": mail.sender}
