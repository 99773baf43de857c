"""Notifications for its own tests: the real service on a real database with a clock that stands still, its delivery
loop turned by hand, and the sandbox as the world outside."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from services.notifications.consumers import consumes
from services.notifications.handlers import transport
from services.notifications.jobs import Senders, deliver_due, senders, timers
from services.notifications.repository import visits
from services.notifications.settings import Settings
from shared.clock import FixedClock
from shared.contracts.assessment import Route
from shared.contracts.base import Event
from shared.contracts.envelope import Envelope
from shared.contracts.intake import Channel, ConsentKind, LeadCreated, MessageReceived
from shared.contracts.registry import EVENTS
from shared.contracts.scheduling import (
    AppointmentCancelled,
    AppointmentKind,
    AppointmentRescheduled,
    ConsultationScheduled,
    SessionScheduled,
)
from shared.db.pool import open_pool
from shared.ids import new_id
from shared.service import Service
from shared.tasks import open_tasks
from shared.timers import next_due
from tests.support.sandbox import Sandbox, sandbox
from tests.support.world import World

HASH = "0123456789abcdef"
NOON = datetime(2025, 12, 1, 19, 0, tzinfo=UTC)
"""A Monday noon in Denver, in the past: the sandbox keeps real time, and nothing is older there than its first try."""
NUMBERS = itertools.count(1000)
"""Tests share a database: nobody shares a phone by accident."""


Booked = SessionScheduled | ConsultationScheduled


@dataclass
class Desk:
    """One clinic's notifications, with words for what happens to it."""

    service: Service
    clock: FixedClock
    ways: Senders
    outside: Sandbox
    sequences: dict[UUID, int] = field(default_factory=dict)

    async def lead(self, **fields: Any) -> UUID:
        """A new patient; `phone` and `email` are theirs, both unless told."""
        patient: UUID = fields.pop("patient", None) or new_id()
        number = next(NUMBERS)
        contact = {
            "phone": fields.pop("phone", f"+1385555{number}"),
            "email": fields.pop("email", f"p{number}@patients.example"),
        }
        async with self.service.transaction(actor="test") as uow:
            key = await uow.keys.create(patient)
            box = await uow.keys.box(patient)
        told = {
            "channel": Channel.WEB,
            "language": "en",
            "consents": (ConsentKind.SMS,) if contact["phone"] else (),
            "answer_due": self.clock.now() + timedelta(minutes=15),
            **fields,
        }
        lead = LeadCreated(
            patient_id=patient, key=key, contact=box.seal_json(contact), has_phone=bool(contact["phone"]),
            has_email=bool(contact["email"]), **told,
        )  # fmt: skip
        await self.hear(lead)
        return patient

    async def hear(self, *events: Event) -> None:
        """The events arrive, one transaction each."""
        for event in events:
            source = next(name for name, types in EVENTS.items() if type(event) in types)
            self.sequences[event.subject] = self.sequences.get(event.subject, 0) + 1
            at = Envelope(
                new_id(), event.type_from(source), source, event.subject, self.sequences[event.subject],
                self.clock.now(), "test", new_id(),
            )  # fmt: skip
            async with self.service.transaction(actor="system:notifications") as uow:
                await consumes.handlers[at.type](uow, event, at)

    async def texts_in(self, patient: UUID, body: str, **fields: Any) -> MessageReceived:
        """The patient texts."""
        async with self.service.reading() as uow:
            box = await uow.keys.box(patient)
        event = MessageReceived(
            patient_id=patient, message_id=new_id(), channel=Channel.TEXT, body=box.seal(body),
            received_at=self.clock.now(), **fields,
        )  # fmt: skip
        await self.hear(event)
        return event

    async def course(
        self, patient: UUID, first: datetime, sessions: int = 6, gap_days: int = 3
    ) -> list[SessionScheduled]:
        """An approved patient's sessions."""
        course, approval = new_id(), new_id()
        booked = []
        for number in range(1, sessions + 1):
            at = first + timedelta(days=gap_days * (number - 1))
            booked.append(
                SessionScheduled(
                    patient_id=patient, appointment_id=new_id(), course_id=course, approval_id=approval, number=number,
                    of=sessions, route=Route.IM, starts_at=at, dose_at=at + timedelta(minutes=30),
                    ends_at=at + timedelta(minutes=165), room_until=at + timedelta(minutes=180), zone="America/Denver",
                    room_id="room-1", monitor_id="tran", prescriber_id="osei", policy_hash=HASH,
                )
            )  # fmt: skip
        await self.hear(*booked)
        return booked

    async def move(self, booked: Booked, to: datetime, revision: int = 1) -> None:
        """Scheduling moves a visit."""
        session = isinstance(booked, SessionScheduled)
        await self.hear(
            AppointmentRescheduled(
                patient_id=booked.patient_id, appointment_id=booked.appointment_id, kind=kind_of(booked),
                revision=revision, was_at=booked.starts_at, starts_at=to,
                dose_at=to + timedelta(minutes=30) if session else None,
                ends_at=to + (booked.ends_at - booked.starts_at), zone="America/Denver", reason="patient-asked",
            )
        )  # fmt: skip

    async def cancel(self, *booked: Booked, starts_at: datetime | None = None) -> None:
        """Scheduling cancels visits."""
        for one in booked:
            await self.hear(
                AppointmentCancelled(
                    patient_id=one.patient_id, appointment_id=one.appointment_id, kind=kind_of(one),
                    starts_at=starts_at or one.starts_at, reason="approval-revoked",
                )
            )  # fmt: skip

    async def name_escort(self, visit_id: UUID, escort: str = "Karin", phone: str | None = None) -> None:
        """The patient names who takes them home, and with a number how we reach them."""
        async with self.service.transaction(actor="patient") as uow:
            visit = await visits.find(uow.conn, visit_id)
            assert visit is not None
            await transport.confirm(uow, visit, escort=escort, by="patient", phone=phone)

    async def deliver(self) -> None:
        """Turn the delivery loop until nothing may go."""
        while await deliver_due(self.service, self.ways):
            pass

    async def until(self, moment: datetime) -> None:
        """Let time pass to `moment`, from due time to due time."""
        while True:
            async with self.service.reading() as uow:
                due = await next_due(uow.conn, sorted(timers.handlers))
            if due is None or due > moment:
                break
            self.clock.move(max(due - self.clock.now(), timedelta()))
            await self.service.fire_due_timers()
            await self.deliver()
        self.clock.move(max(moment - self.clock.now(), timedelta()))
        await self.deliver()

    async def rows(self, patient: UUID, **wanted: Any) -> list[dict[str, Any]]:
        """The ledger, by due time."""
        async with self.service.reading() as uow:
            found = await uow.conn.fetch("select * from messages where patient_id = $1 order by due_at, id", patient)
        return [dict(row) for row in found if all(row[key] == value for key, value in wanted.items())]

    async def said(self, patient: UUID, channel: str = "sms") -> list[tuple[str, str]]:
        """What went out: (kind, words)."""
        async with self.service.reading() as uow:
            box = await uow.keys.box(patient)
        rows = await self.rows(patient, channel=channel)
        return [(row["kind"], box.open(row["body"])) for row in rows if row["sent_at"] and row["body"]]

    async def events(self, patient: UUID) -> list[str]:
        """The names of the events published about a patient."""
        async with self.service.reading() as uow:
            rows = await uow.conn.fetch("select type from event_log where subject = $1 order by id", patient)
        return [row["type"].split(".")[2] for row in rows]

    async def tasks(self, patient: UUID) -> list[str]:
        """The kinds of a patient's open tasks."""
        async with self.service.reading() as uow:
            return sorted(task.kind for task in await open_tasks(uow.conn) if task.patient_id == patient)


def kind_of(booked: Booked) -> AppointmentKind:
    return AppointmentKind.SESSION if isinstance(booked, SessionScheduled) else AppointmentKind.CONSULTATION


@asynccontextmanager
async def desk(world: World, *, at: datetime = NOON, **changes: Any) -> AsyncIterator[Desk]:
    """Notifications without its loops: tests turn them."""
    settings = Settings(**{**world.wiring.settings("notifications"), **changes})
    clock = FixedClock(at)
    service = Service("notifications", settings, timers=timers, clock=clock)
    service.pool = await open_pool(service.dsn, name="notifications", size=8)
    try:
        async with sandbox(world, database_url=None) as outside, senders(service) as ways:
            yield Desk(service, clock, ways, outside)
    finally:
        await service.pool.close()
