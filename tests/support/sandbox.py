"""The outside world for a test: the real sandbox in this process, with the patient's side of it at hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

import aiosmtplib
import httpx

from deploy.sandbox.app import create
from deploy.sandbox.settings import SandboxSettings
from deploy.sandbox.world import PayerFault, SmsFault, SmtpFault
from tests.support.serving import serving
from tests.support.world import World


@dataclass(slots=True)
class Sandbox:
    """What a patient's phone and mailbox show, and what the patient does."""

    http: httpx.AsyncClient
    settings: SandboxSettings

    async def texts(self, to: str) -> list[dict[str, Any]]:
        """What the clinic texted to a number, oldest first."""
        return await self._list("/api/messages", to=to)

    async def mails(self, to: str) -> list[dict[str, Any]]:
        """What arrived in a mailbox, oldest first."""
        return await self._list("/api/mails", to=to)

    async def say(self, sender: str, body: str) -> dict[str, Any]:
        """The patient texts the clinic."""
        return await self._post("/api/texts", {"from": sender, "body": body})

    async def text_patient(self, to: str, body: str) -> dict[str, Any]:
        """The clinic texts a patient, over Twilio's API."""
        account = self.settings.account_sid
        answer = await self.http.post(
            f"/twilio/2010-04-01/Accounts/{account}/Messages.json",
            data={"To": to, "From": self.settings.clinic_number, "Body": body},
            auth=(account, self.settings.auth_token.get_secret_value()),
        )
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def mail_patient(self, to: str, subject: str, body: str) -> None:
        """The clinic writes a mail, over SMTP."""
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "Harbor Clinic <hello@harbor.example>", to, subject
        mail.set_content(body)
        await aiosmtplib.send(mail, hostname="127.0.0.1", port=self.settings.smtp_port, start_tls=False)

    async def forward(self, **move: Any) -> dict[str, Any]:
        """`seconds=3600`, `to="2026-12-01T09:00:00Z"` or `next=True`."""
        return await self._post(
            "/api/clock", {("forward_seconds" if k == "seconds" else k): v for k, v in move.items()}
        )

    async def break_(self, *, sms: SmsFault = "ok", smtp: SmtpFault = "ok", payer: PayerFault = "ok") -> None:
        """Break something; without arguments everything is mended."""
        await self._post("/api/faults", {"sms": sms, "smtp": smtp, "payer": payer})

    async def _list(self, path: str, **query: str) -> list[dict[str, Any]]:
        answer = await self.http.get(path, params=query)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self.http.post(path, json=body)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found


@asynccontextmanager
async def sandbox(world: World, **changes: Any) -> AsyncIterator[Sandbox]:
    """Start it where the world's services look for it; `changes` are its settings."""
    settings = SandboxSettings(**{"transit_seconds": 0.01, **world.wiring.settings("sandbox"), **changes})
    url = f"http://127.0.0.1:{settings.port}"
    async with serving(create(settings), settings.port), httpx.AsyncClient(base_url=url, timeout=60) as http:
        yield Sandbox(http, settings)
