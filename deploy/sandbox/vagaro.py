"""Vagaro as the clinic's webhooks see it: people who book there, and staff who keep time free.

Webhooks are sent as Vagaro sends them: with a static token, up to five tries for a server's error, never again after
400, 401, 403, 404 or 406. `twice` and `appointment_first` show what its documentation warns of.
"""

import asyncio
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import httpx
import structlog
from fastapi import APIRouter, HTTPException
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from deploy.sandbox.settings import SandboxSettings
from shared.clock import Clock

log = structlog.get_logger()

Kind = Literal["booking", "customer", "appointment", "time_off"]
Action = Literal["created", "updated", "deleted"]
_TRIES = 5
_PAUSE_SECONDS = 0.5


class Said(BaseModel):
    """What happens in Vagaro. `booking` is a customer with an appointment; ids are made where none are given."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind = "booking"
    action: Action = "created"
    name: str = Field(default="Rosa Delgado", max_length=200)
    phone: str = Field(default="", max_length=40)
    email: str = Field(default="", max_length=254)
    customer_id: str = ""
    appointment_id: str = ""
    starts_at: AwareDatetime | None = None
    minutes: int = Field(default=60, ge=5, le=600)
    status: str = "Accepted"
    service: str = "First consultation"
    provider: str = ""
    appointment_first: bool = False
    twice: bool = False


class Sent(BaseModel):
    """The ids at Vagaro, and how the clinic answered each webhook."""

    customer_id: str
    appointment_id: str
    answers: list[int]


@dataclass(frozen=True, slots=True)
class Booked:
    """A time in Vagaro's calendar, for moving and cancelling it."""

    at: datetime
    said: Said = field(repr=False)


class Vagaro:
    """Vagaro's side of one business."""

    def __init__(self, settings: SandboxSettings, clock: Clock, http: httpx.AsyncClient) -> None:
        self._settings, self._clock, self._http = settings, clock, http
        self._last = clock.now() - timedelta(days=1)
        self.booked: dict[str, Booked] = {}
        """What stands in its calendar, by appointment id, oldest first."""

    @property
    def people(self) -> list[str]:
        """The clinic's people whom its calendar knows."""
        return list(self._settings.vagaro_people.values())

    async def happen(self, said: Said) -> Sent:
        """Let something happen in Vagaro and tell the clinic."""
        said = self._completed(said)
        webhooks = []
        if said.kind in ("booking", "customer"):
            webhooks.append(self._webhook("customer", said.action, self._customer(said)))
        if said.kind != "customer":
            webhooks.append(self._webhook("appointment", said.action, self._appointment(said)))
            self._remember(said)
        if said.appointment_first:
            webhooks.reverse()
        if said.twice:
            webhooks *= 2
        return Sent(
            customer_id=said.customer_id,
            appointment_id=said.appointment_id,
            answers=[await self._send(webhook) for webhook in webhooks],
        )

    async def change(self, appointment_id: str, *, hours: int | None) -> Sent:
        """Move an appointment by `hours`, or cancel it."""
        said = self.booked[appointment_id].said
        assert said.starts_at is not None
        kind: Kind = "time_off" if said.kind == "time_off" else "appointment"
        if hours is None:
            gone: dict[str, Any] = {"action": "deleted"} if kind == "time_off" else {"status": "Cancel"}
            return await self.happen(said.model_copy(update={"kind": kind, "action": "updated", **gone}))
        moved = {"kind": kind, "action": "updated", "starts_at": said.starts_at + timedelta(hours=hours)}
        return await self.happen(said.model_copy(update=moved))

    def _completed(self, said: Said) -> Said:
        soon = (self._clock.now() + timedelta(days=3)).replace(hour=18, minute=0, second=0, microsecond=0)
        return said.model_copy(
            update={
                "customer_id": "" if said.kind == "time_off" else said.customer_id or _id(),
                "appointment_id": said.appointment_id or _id(),
                "starts_at": said.starts_at or soon,
                "provider": said.provider or next(iter(self.people), ""),
                "status": "PersonalOff" if said.kind == "time_off" else said.status,
            }
        )

    def _remember(self, said: Said) -> None:
        assert said.starts_at is not None
        if said.action == "deleted" or said.status in ("Cancel", "Deleted", "Denied"):
            self.booked.pop(said.appointment_id, None)
        else:
            once = said.model_copy(update={"twice": False, "appointment_first": False})
            self.booked[said.appointment_id] = Booked(said.starts_at, once)

    def _customer(self, said: Said) -> dict[str, Any]:
        first, _, last = said.name.strip().partition(" ")
        return {
            "customerId": said.customer_id, "businessIds": ["hB6cPnqH1w=="], "customerFirstName": first,
            "customerLastName": last, "businessGroupId": "Zq0dKx1n5A==", "email": said.email,
            "mobilePhone": said.phone, "dayPhone": "", "nightPhone": "", "streetAddress": "", "city": "",
            "regionCode": "UT", "regionName": "Utah", "countryCode": "US", "countryName": "United States",
            "postalCode": "",
        }  # fmt: skip

    def _appointment(self, said: Said) -> dict[str, Any]:
        assert said.starts_at is not None
        ids = {person: vendor for vendor, person in self._settings.vagaro_people.items()}
        now = _stamp(self._clock.now())
        return {
            "appointmentId": said.appointment_id, "startTime": _stamp(said.starts_at),
            "endTime": _stamp(said.starts_at + timedelta(minutes=said.minutes)), "bookingStatus": said.status,
            "serviceTitle": "" if said.kind == "time_off" else said.service, "serviceId": "T2v1yQ==",
            "calendarEventId": said.appointment_id, "amount": 0, "eventType": "Appointment",
            "onlineVsInhouse": "Inhouse", "appointmentTypeCode": "NR", "appointmentTypeName": "New Request",
            "customerId": said.customer_id or None, "bookingSource": "Vagaro",
            "serviceProviderId": ids.get(said.provider, said.provider), "businessId": "hB6cPnqH1w==",
            "businessAlias": "clinic", "businessGroupId": "Zq0dKx1n5A==", "serviceCategory": "Consultation",
            "createdDate": now, "createdBy": "", "modifiedDate": now, "modifiedBy": "", "formResponseIds": [],
        }  # fmt: skip

    def _webhook(self, kind: str, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        # Two changes at one moment of the clinic's clock still have an order.
        at = self._last = max(self._clock.now(), self._last + timedelta(milliseconds=1))
        return {"id": _id(), "createdDate": _stamp(at), "type": kind, "action": action, "payload": payload}

    async def _send(self, webhook: dict[str, Any]) -> int:
        status = 0
        headers = {"X-Vagaro-Signature": self._settings.vagaro_token.get_secret_value()}
        for attempt in range(_TRIES):
            try:
                answer = await self._http.post(self._settings.vagaro_url, json=webhook, headers=headers)
            except httpx.TransportError:
                log.warning("sandbox.webhook_failed", sid=webhook["id"], attempt=attempt)
            else:
                status = answer.status_code
                if not answer.is_server_error:
                    break
            await asyncio.sleep(_PAUSE_SECONDS * 2**attempt)
        return status


def router(vagaro: Vagaro, settings: SandboxSettings) -> APIRouter:
    """What tests and demos ask of Vagaro."""
    routes = APIRouter(prefix="/api/vagaro")

    @routes.post("", status_code=201)
    async def happen(said: Said) -> Sent:
        """Somebody books, changes or keeps time free; answers when the clinic was told."""
        if not settings.vagaro_url:
            raise HTTPException(409, "this sandbox was started without vagaro_url: it knows no clinic to tell")
        return await vagaro.happen(said)

    return routes


def _id() -> str:
    return secrets.token_urlsafe(12) + "=="


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
