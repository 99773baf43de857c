"""A unit of work: one open transaction, who acts in it and when, and the events that it will publish.

The promise: state change and events commit together or not at all. Nothing below the edge commits.
"""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg

from shared.clinic.model import Clinic
from shared.contracts.base import Event
from shared.contracts.envelope import Envelope
from shared.eventlog.log import Origin, Pending
from shared.ids import new_id
from shared.security.keys import PatientKeys
from shared.security.lookup import Lookup


@dataclass(slots=True)
class UnitOfWork:
    """Passed to every handler. `now` is business time; `actor` is a code such as `staff:osei` or `patient`.

    Whoever opened the transaction writes `pending` to the event log before it commits.
    """

    conn: asyncpg.Connection
    service: str
    now: datetime
    actor: str
    clinic: Clinic
    keys: PatientKeys
    lookup: Lookup
    journey: UUID | None = None
    cause: UUID | None = None
    traceparent: str | None = None
    pending: list[Pending] = field(default_factory=list)

    def because_of(self, at: Envelope, traceparent: str | None) -> "UnitOfWork":
        """The same transaction as an event's handler gets it: the system acts, in that event's journey."""
        return UnitOfWork(
            conn=self.conn,
            service=self.service,
            now=self.now,
            actor=f"system:{self.service}",
            clinic=self.clinic,
            keys=self.keys,
            lookup=self.lookup,
            journey=at.correlationid,
            cause=at.id,
            traceparent=traceparent,
            pending=self.pending,
        )

    def publish(self, *events: Event) -> None:
        """Have these written to the event log at commit, in this order."""
        if events:
            self.journey = self.journey or new_id()
            origin = Origin(self.service, self.now, self.actor, self.journey, self.cause, self.traceparent)
            self.pending.extend(Pending(event, origin) for event in events)
