"""What was said so far: texts, mails, who opted out, and which faults are switched on.

The promise: whatever was accepted survives a restart, where there is a state file.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

Direction = Literal["inbound", "outbound-api", "outbound-reply"]
SmsFault = Literal["ok", "down", "slow", "accept_then_500", "undeliverable", "landline"]
SmtpFault = Literal["ok", "down", "slow", "accept_then_500"]
PayerFault = Literal["ok", "down", "slow", "busy", "inactive", "rejected"]


@dataclass(frozen=True, slots=True)
class Text:
    """A message as Twilio knows it. Times are business time, in UTC."""

    sid: str
    direction: Direction
    sender: str
    to: str
    body: str
    status: str
    created_at: datetime
    updated_at: datetime
    sent_at: datetime | None = None
    error_code: int | None = None
    callback: str | None = None

    @property
    def patient(self) -> str:
        """The number that is not the clinic's."""
        return self.sender if self.direction == "inbound" else self.to


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as it arrived; one per recipient."""

    id: str
    at: datetime
    sender: str
    to: str
    subject: str
    text: str
    html: str | None = None
    attachments: tuple[str, ...] = ()
    calendar: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Faults:
    """What is broken on purpose."""

    sms: SmsFault = "ok"
    smtp: SmtpFault = "ok"
    payer: PayerFault = "ok"


class World:
    """Everything in memory, in order of arrival."""

    def __init__(self, state: Path | None = None) -> None:
        self.faults = Faults()
        self.opted_out: set[str] = set()
        self._texts: dict[str, Text] = {}
        self._mails: list[Mail] = []
        self._state = state
        self.version = 0
        """Grows with everything that is to be seen."""

        self._changed = asyncio.Condition()
        if state is not None and state.exists():
            for line in state.read_text(encoding="utf-8").splitlines():
                self._restore(line)

    @property
    def texts(self) -> list[Text]:
        """All texts, oldest first."""
        return list(self._texts.values())

    @property
    def mails(self) -> list[Mail]:
        """All mails, oldest first."""
        return list(self._mails)

    def text(self, sid: str) -> Text | None:
        """The text with this sid."""
        return self._texts.get(sid)

    async def keep_text(self, text: Text) -> None:
        """Add a text or take over its newer state."""
        self._texts[text.sid] = text
        await self._write("text", asdict(text))

    async def keep_mail(self, mails: Iterable[Mail]) -> None:
        """Add mails."""
        for mail in mails:
            self._mails.append(mail)
            await self._write("mail", asdict(mail))

    async def opt_out(self, number: str, *, stopped: bool) -> None:
        """A number asked to hear nothing more, or took that back."""
        (self.opted_out.add if stopped else self.opted_out.discard)(number)
        await self._write("opt_out", {"number": number, "stopped": stopped})

    async def touch(self) -> None:
        """Tell the pages that something is to be seen."""
        async with self._changed:
            self.version += 1
            self._changed.notify_all()

    async def changes(self, quiet_seconds: float) -> AsyncIterator[bool]:
        """True whenever something changed; False after each `quiet_seconds` without a change."""
        seen = self.version
        while True:
            try:
                async with asyncio.timeout(quiet_seconds), self._changed:
                    while self.version == seen:
                        await self._changed.wait()
            except TimeoutError:
                yield False
            else:
                seen = self.version
                yield True

    async def _write(self, kind: str, value: dict[str, Any]) -> None:
        if self._state is not None:
            self._state.parent.mkdir(parents=True, exist_ok=True)
            with self._state.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"kind": kind, **value}, default=str, ensure_ascii=False) + "\n")
        await self.touch()

    def _restore(self, line: str) -> None:
        try:
            value = json.loads(line)
        except ValueError:
            return  # the last line of a process that was killed while it wrote
        kind = value.pop("kind")
        if kind == "opt_out":
            (self.opted_out.add if value["stopped"] else self.opted_out.discard)(value["number"])
            return
        for name in ("at", "created_at", "updated_at", "sent_at"):
            if value.get(name) is not None:
                value[name] = datetime.fromisoformat(value[name])
        if kind == "text":
            self._texts[value["sid"]] = Text(**value)
        else:
            self._mails.append(Mail(**{**value, "attachments": tuple(value["attachments"])}))


def moved_on(text: Text, status: str, at: datetime, error_code: int | None = None) -> Text:
    """The same text with its next status."""
    sent_at = at if status == "sent" else text.sent_at
    return replace(text, status=status, updated_at=at, sent_at=sent_at, error_code=error_code)
