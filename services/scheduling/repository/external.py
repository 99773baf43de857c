"""Appointments that were booked in another system."""

from dataclasses import dataclass
from uuid import UUID

import asyncpg

from services.scheduling.repository.calendar import APPOINTMENTS
from shared.contracts.intake import ExternalBookingReceived

# Locks the row and takes over the newer word; nothing comes back for an older one.
HEAR = """
insert into external_bookings as b (vendor, external_id, patient_id, changed_at) values ($1, $2, $3, $4)
on conflict (vendor, external_id)
do update set patient_id = excluded.patient_id, changed_at = excluded.changed_at
 where b.changed_at <= excluded.changed_at
returning appointment_id
"""
HELD = "select resource from bookings where appointment_id = $1"
# The one kind of appointment that may stand without all that it needs. Who changes it at this moment sees to it.
_LACKING = """
 where booked_by = 'external' and state = 'booked' and starts_at < $2 and ends_at > $1 and ends_at > $3
   and ((mode = 'in_person' and room_id is null)
        or exists (select from unnest(array['person:' || provider_id, 'patient:' || patient_id, 'room:' || room_id])
                            as n (resource)
                    where n.resource is not null
                      and (select true from bookings b where b.appointment_id = appointments.appointment_id
                                                         and b.resource = n.resource limit 1) is null))
 order by starts_at, appointment_id for update skip locked
"""
LACKING = APPOINTMENTS + _LACKING
VENDOR = "select vendor from external_bookings where appointment_id = $1"
STANDS_FOR = "update external_bookings set appointment_id = $3 where vendor = $1 and external_id = $2"


@dataclass(frozen=True, slots=True)
class Heard:
    """A word that is not older than what is known; `appointment_id` is ours, where there is one."""

    appointment_id: UUID | None


async def hear(conn: asyncpg.Connection, event: ExternalBookingReceived) -> Heard | None:
    """Take the newer word; None where a still newer one is known."""
    row = await conn.fetchrow(HEAR, event.vendor, event.external_id, event.patient_id, event.changed_at)
    return None if row is None else Heard(row["appointment_id"])


async def vendor_of(conn: asyncpg.Connection, appointment_id: UUID) -> str | None:
    """The other system that keeps this appointment too; None where it is ours alone."""
    vendor: str | None = await conn.fetchval(VENDOR, appointment_id)
    return vendor


async def held(conn: asyncpg.Connection, appointment_id: UUID) -> set[str]:
    """What an appointment of theirs has of what it needs."""
    return {row["resource"] for row in await conn.fetch(HELD, appointment_id)}


async def stands_for(conn: asyncpg.Connection, event: ExternalBookingReceived, appointment_id: UUID) -> None:
    """From now on this appointment of ours is that one of theirs."""
    await conn.execute(STANDS_FOR, event.vendor, event.external_id, appointment_id)
