"""Appointments that were booked in another system."""

from dataclasses import dataclass
from uuid import UUID

import asyncpg

from shared.contracts.intake import ExternalBookingReceived

# Locks the row and takes over the newer word; nothing comes back for an older one.
HEAR = """
insert into external_bookings as b (vendor, external_id, patient_id, changed_at) values ($1, $2, $3, $4)
on conflict (vendor, external_id)
do update set patient_id = excluded.patient_id, changed_at = excluded.changed_at
 where b.changed_at <= excluded.changed_at
returning appointment_id
"""
STANDS_FOR = "update external_bookings set appointment_id = $3 where vendor = $1 and external_id = $2"


@dataclass(frozen=True, slots=True)
class Heard:
    """A word that is not older than what is known; `appointment_id` is ours, where there is one."""

    appointment_id: UUID | None


async def hear(conn: asyncpg.Connection, event: ExternalBookingReceived) -> Heard | None:
    """Take the newer word; None where a still newer one is known."""
    row = await conn.fetchrow(HEAR, event.vendor, event.external_id, event.patient_id, event.changed_at)
    return None if row is None else Heard(row["appointment_id"])


async def stands_for(conn: asyncpg.Connection, event: ExternalBookingReceived, appointment_id: UUID) -> None:
    """From now on this appointment of ours is that one of theirs."""
    await conn.execute(STANDS_FOR, event.vendor, event.external_id, appointment_id)
