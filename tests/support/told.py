"""Notifications as it runs: events come in by Kafka, words go out by Twilio's protocol and SMTP to the sandbox."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from shared.contracts.assessment import Route
from shared.contracts.intake import Channel, LeadCreated
from shared.contracts.scheduling import SessionScheduled
from shared.ids import new_id
from tests.support.dashboard import Producers
from tests.support.notifications import HASH
from tests.support.sandbox import Sandbox, sandbox
from tests.support.waiting import eventually
from tests.support.world import Running, World


@dataclass(slots=True)
class Stack:
    """What tests do with it."""

    running: Running
    producers: Producers
    outside: Sandbox

    @property
    def http(self) -> httpx.AsyncClient:
        return self.running.http

    async def approved(self, **lead: Any) -> tuple[UUID, list[SessionScheduled], str]:
        """A patient with six sessions, and the link that their mail brought."""
        email = f"{new_id()}@patients.example"
        patient = await self.lead(email=email, **lead)
        now = datetime.fromisoformat((await self.outside.http.get("/api/clock")).json()["now"])
        first = (now + timedelta(days=10)).replace(hour=19, minute=0, second=0, microsecond=0)
        course, approval = new_id(), new_id()
        booked = []
        for number in range(1, 7):
            at = first + timedelta(days=3 * (number - 1))
            booked.append(
                SessionScheduled(
                    patient_id=patient, appointment_id=new_id(), course_id=course, approval_id=approval, number=number,
                    of=6, route=Route.IM, starts_at=at, dose_at=at + timedelta(minutes=30),
                    ends_at=at + timedelta(minutes=165), room_until=at + timedelta(minutes=180), zone="America/Denver",
                    room_id="room-1", monitor_id="tran", prescriber_id="osei", policy_hash=HASH,
                )
            )  # fmt: skip
        await self.producers.say("scheduling", *booked)
        mails = await eventually(lambda: self.mails(email, 2))
        return patient, booked, link("".join(mail["text"] for mail in mails))

    async def lead(self, email: str | None, phone: str | None = None, **fields: Any) -> UUID:
        patient = new_id()
        async with self.producers.services["intake"].transaction(actor="patient") as uow:
            key = await uow.keys.create(patient)
            box = await uow.keys.box(patient)
            uow.publish(
                LeadCreated(
                    patient_id=patient, key=key, channel=Channel.WEB,
                    contact=box.seal_json({"phone": phone, "email": email}),
                    has_phone=phone is not None, has_email=email is not None, **({"language": "en"} | fields),
                )
            )  # fmt: skip
        return patient

    async def mails(self, to: str, count: int) -> list[dict[str, Any]]:
        found = await self.outside.mails(to)
        assert len(found) >= count
        return found

    async def ledger(self, patient: UUID) -> dict[str, Any]:
        answer = await self.http.get(f"/api/v1/patients/{patient}/messages", headers=self.running.as_staff("dana"))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def link(words: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+(/p/[\w-]{22})\S*", words)
    assert found, words
    return found[1]


@asynccontextmanager
async def told(world: World) -> AsyncIterator[Stack]:
    """The service, the world outside, and producers whose events it hears."""
    async with (
        sandbox(world) as outside,
        Producers.of(world) as producers,
        world.start("notifications", delivery_poll_seconds=0.05) as running,
    ):
        yield Stack(running, producers, outside)
