"""A service of two lines for the kernel's own tests: it publishes as one producer, and records what it consumes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from shared.consuming import Consumes, Record
from shared.contracts.assessment import ApprovalRevoked
from shared.contracts.base import Event
from shared.contracts.envelope import Envelope, to_headers
from shared.contracts.intake import Channel, LeadClosed, LeadCreated, LeadUpdated
from shared.ids import new_id
from shared.service import Service
from shared.uow import UnitOfWork


@dataclass
class Seen:
    """What handlers were called with, in order; a transaction that was rolled back may show twice."""

    events: list[tuple[Envelope, Event]] = field(default_factory=list)

    def of(self, subject: UUID) -> list[int]:
        """The sequences seen for a subject."""
        return [envelope.sequence for envelope, _ in self.events if envelope.subject == subject]


def recorder(*types: type[Event]) -> tuple[Consumes, Seen]:
    """A `consumers.py` whose handlers write down what they got."""
    consumes, seen = Consumes(), Seen()

    async def record(uow: UnitOfWork, event: Event, at: Envelope) -> None:
        await uow.conn.execute(
            "insert into effects (event_id, subject, sequence) values ($1, $2, $3)", at.id, at.subject, at.sequence
        )
        seen.events.append((at, event))

    for type_ in types:
        consumes(type_)(record)
    return consumes, seen


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[Service]:
    """The service, started and stopped."""
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


async def create_lead(service: Service, patient: UUID | None = None) -> UUID:
    """A patient's first event, in a transaction of its own."""
    patient = patient or new_id()
    async with service.transaction(actor="patient") as uow:
        await publish_lead(uow, patient)
    return patient


async def publish_lead(uow: UnitOfWork, patient: UUID) -> None:
    """A LeadCreated with everything that it must have."""
    key = await uow.keys.create(patient)
    box = await uow.keys.box(patient)
    uow.publish(
        LeadCreated(
            patient_id=patient,
            key=key,
            channel=Channel.WEB,
            name=box.seal("Jo Doe"),
            contact=box.seal_json({"phone": None, "email": None}),
            has_phone=False,
            has_email=False,
            language="en",
        )
    )


def updated(patient: UUID) -> LeadUpdated:
    """Some later event of the same patient."""
    return LeadUpdated(patient_id=patient, changed=("language",), language="es")


def closed(patient: UUID) -> LeadClosed:
    """Another one."""
    return LeadClosed(patient_id=patient, reason="test")


async def rows(service: Service, sql: str, *args: object) -> list[Any]:
    """What a service's own tables hold."""
    async with service.reading() as uow:
        return list(await uow.conn.fetch(sql, *args))


async def sequences(service: Service, subject: object) -> list[int]:
    """What a `recorder` applied of a subject, in its order."""
    found = await rows(service, "select sequence from effects where subject = $1 order by n", subject)
    return [row["sequence"] for row in found]


def envelope_of(source: Any, subject: Any, sequence: int, type_: str, id_: Any = None) -> Envelope:
    """An envelope as some producer would write it."""
    return Envelope(id_ or new_id(), type_, source, subject, sequence, datetime.now(UTC), "test", new_id())


def revoked(patient: Any, uow: UnitOfWork) -> ApprovalRevoked:
    """An event of assessment's about them."""
    return ApprovalRevoked(patient_id=patient, approval_id=new_id(), reason="test", revoked_at=uow.now)


async def as_records(service: Service) -> list[Any]:
    """A service's log as the records that its relay makes of it."""
    found = await rows(
        service,
        "select event_id, subject, sequence, type, time, actor, correlation, body::text as body"
        "  from event_log order by id",
    )
    return [
        Record(
            f"passage.{service.name}.v1",
            0,
            number,
            str(row["subject"]).encode(),
            row["body"].encode(),
            tuple(
                to_headers(
                    Envelope(
                        row["event_id"],
                        row["type"],
                        "intake",
                        row["subject"],
                        row["sequence"],
                        row["time"],
                        row["actor"],
                        row["correlation"],
                    )
                )
            ),
        )
        for number, row in enumerate(found)
    ]
