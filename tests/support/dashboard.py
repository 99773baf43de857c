"""What the dashboard's tests share: staff who are signed in, producers that say things."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx

from shared.contracts.base import Event
from shared.contracts.intake import Channel, LeadCreated
from shared.http.issuer_client import Tokens
from shared.http.staff_sessions import StaffSessions
from shared.ids import new_id
from shared.security.sealing import Box
from shared.service import Service
from shared.settings import ServiceSettings
from tests.support.world import Running, World

COOKIE = "passage_staff"
HOUR = timedelta(hours=1)


class Producers:
    """The four producers' relays without their rules: what is published here is what they could have published."""

    def __init__(self, services: dict[str, Service]) -> None:
        self.services = services

    @classmethod
    @asynccontextmanager
    async def of(cls, world: World) -> AsyncIterator["Producers"]:
        await world.topics()
        names = ("intake", "assessment", "scheduling", "notifications")
        services = {name: Service(name, ServiceSettings(**world.wiring.settings(name))) for name in names}
        for service in services.values():
            await service.start()
        try:
            yield cls(services)
        finally:
            for service in services.values():
                await service.stop()

    async def say(self, source: str, *events: Event, actor: str = "system:test") -> None:
        """Publish in one transaction."""
        async with self.services[source].transaction(actor=actor) as uow:
            uow.publish(*events)

    async def lead(
        self, name: str, words: str | None = None, *, contact: dict[str, str | None] | None = None, **fields: Any
    ) -> UUID:
        """A new patient."""
        patient = new_id()
        async with self.services["intake"].transaction(actor="patient") as uow:
            key = await uow.keys.create(patient)
            box = await uow.keys.box(patient)
            due = uow.now + timedelta(minutes=15)
            known = {"has_phone": True, "has_email": False, "language": "en", "answer_due": due, **fields}
            uow.publish(
                LeadCreated(
                    patient_id=patient,
                    key=key,
                    channel=Channel.WEB,
                    name=box.seal(name),
                    contact=box.seal_json(contact or {"phone": "+18015550148", "email": None}),
                    message=box.seal(words) if words else None,
                    **known,
                )
            )
        return patient

    async def box(self, patient: UUID) -> Box:
        async with self.services["intake"].reading() as uow:
            return await uow.keys.box(patient)


@dataclass(slots=True)
class Desk:
    """A running dashboard, and people who are signed in there."""

    running: Running

    async def token(self, person: str, **claims: Any) -> str:
        """A session as the sign-in makes it; the issuer's token is good at every service."""
        issuer, service = self.running.issuer, self.running.service
        audiences = [f"passage:{name}" for name in ("dashboard", "intake", "assessment", "scheduling", "notifications")]
        access = issuer.token(person, "dashboard", aud=audiences, **claims)
        told = {"sub": person, "auth_time": int(time.time()), "amr": ["pwd", "otp"], "acr": "mfa", **claims}
        tokens = Tokens(access, None, access, time.time() + 600, told)
        return await StaffSessions(HOUR, HOUR).open(service, tokens, person, replacing=None)

    async def as_staff(self, person: str) -> httpx.AsyncClient:
        """A browser without a window, signed in; forms count as sent from our own page."""
        cookies = {COOKIE: await self.token(person)}
        headers = {"accept": "text/html", "sec-fetch-site": "same-origin"}
        return httpx.AsyncClient(base_url=self.running.url, cookies=cookies, headers=headers, timeout=15)
