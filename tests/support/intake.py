"""What intake's tests share: a producer's key, signed texts, and what was written down."""

import json
from typing import Any
from uuid import UUID, uuid4

import httpx
from twilio.request_validator import RequestValidator

from services.intake.api.producers import add_api_key
from shared.security.sealing import Box
from tests.support.waiting import eventually
from tests.support.world import Running, World


class Intake:
    """A running intake with a producer let in."""

    def __init__(self, running: Running, world: World, key: str) -> None:
        self.running = running
        self.world = world
        self.http = running.http
        self.key = key

    @classmethod
    async def of(cls, running: Running, world: World) -> "Intake":
        async with running.service.pool.acquire() as conn:
            return cls(running, world, await add_api_key(conn, "website"))

    async def lead(self, key: str | None = None, **fields: Any) -> httpx.Response:
        """Hand in a contact."""
        headers = {"x-api-key": self.key, "idempotency-key": key or uuid4().hex}
        return await self.http.post("/api/v1/leads", json=fields, headers=headers)

    async def text(self, body: str, sender: str, *, sid: str | None = None, token: str | None = None, **more: str):
        """A signed text, as Twilio sends it."""
        fields = {"MessageSid": sid or f"SM{uuid4().hex}", "From": sender, "To": "+13035550100", "Body": body,
                  "NumMedia": "0", **more}  # fmt: skip
        url = f"{self.running.service.settings.public_url}/webhooks/twilio/messages"
        signature = RequestValidator(token or self.world.secrets.twilio_token).compute_signature(url, fields)
        return await self.http.post("/webhooks/twilio/messages", data=fields, headers={"x-twilio-signature": signature})

    async def vagaro(self, webhook: dict[str, Any] | bytes, *, token: str | None = None) -> httpx.Response:
        """A webhook of Vagaro's, with its verification token."""
        body = webhook if isinstance(webhook, bytes) else json.dumps(webhook).encode()
        headers = {"x-vagaro-signature": token or self.world.secrets.vagaro_token, "content-type": "application/json"}
        return await self.http.post("/webhooks/vagaro", content=body, headers=headers)

    async def rows(self, sql: str, *args: Any) -> list[Any]:
        async with self.running.service.pool.acquire() as conn:
            return list(await conn.fetch(sql, *args))

    async def erased(self, patient: Any) -> int:
        """Ask for it until the news of scheduling is as fresh as it must be; the answer's status."""

        async def asked() -> int:
            url, headers = f"/api/v1/patients/{patient}/erase", self.running.as_staff("ops")
            status: int = (await self.http.post(url, headers=headers)).status_code
            assert status != httpx.codes.SERVICE_UNAVAILABLE
            return status

        found: int = await eventually(asked, timeout=30)
        return found

    async def come_due(self, kind: str) -> None:
        """Every timer of this kind has fired, whoever fired it: the service looks for what is due by itself too."""
        await self.rows("update timers set due_at = now() - interval '1 hour' where kind = $1", kind)
        await self.running.service.fire_due_timers()
        due = "select occurrence from timers where kind = $1 and due_at < now()"
        await eventually(lambda: self.rows(due, kind), equals=[])

    async def events(self, patient: str | UUID) -> list[tuple[str, dict[str, Any]]]:
        """A patient's events in order: name and body."""
        found = await self.rows(
            "select type, body from event_log where subject = $1 order by sequence", UUID(str(patient))
        )
        return [(row["type"].split(".")[2], json.loads(row["body"])) for row in found]

    async def names(self, patient: str | UUID) -> list[str]:
        return [name for name, _ in await self.events(patient)]

    async def patients(self) -> int:
        return int((await self.rows("select count(*) from patients"))[0][0])

    async def patient_of(self, phone: str) -> UUID | None:
        found = await self.rows(
            "select patient_id from contact_points where kind = 'phone' and hash = $1",
            self.running.service.lookup.hash("phone", phone),
        )
        return found[0][0] if found else None

    async def box(self, subject: str | UUID) -> Box:
        async with self.running.service.reading() as uow:
            found: Box = await uow.keys.box(UUID(str(subject)))
            return found

    async def open_tasks(self, kind: str) -> list[Any]:
        return await self.rows("select * from tasks where kind = $1 and closed_at is null order by raised_at", kind)

    async def kept(self) -> list[dict[str, Any]]:
        answer = await self.http.get("/api/v1/contacts", headers=self.running.as_staff("dana"))
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found
