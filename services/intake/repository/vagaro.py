"""Vagaro's customers and appointments, until they are known here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import asyncpg

from services.intake.domain.vagaro import Order

# A clinic hears from Vagaro a few times a minute: one at a time, and its two halves can't pass each other unseen.
ONE_AT_A_TIME = "select pg_advisory_xact_lock(hashtext('intake.vagaro'))"
CUSTOMER = "select ref, id, content, changed_at, rank, event, patient_id, kept_id from vagaro_customers where ref = $1"
CUSTOMER_KEPT = """
select ref, id, content, changed_at, rank, event, patient_id, kept_id from vagaro_customers where kept_id = $1
"""
SAVE_CUSTOMER = """
insert into vagaro_customers (ref, id, content, changed_at, rank, event, patient_id, kept_id)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (ref) do update set content = excluded.content, changed_at = excluded.changed_at, rank = excluded.rank,
    event = excluded.event, patient_id = excluded.patient_id, kept_id = excluded.kept_id, heard_at = now()
"""
APPOINTMENT = """
select ref, id, customer, content, changed_at, rank, event, told, kept_id from vagaro_appointments where ref = $1
"""
APPOINTMENT_BY_ID = """
select ref, id, customer, content, changed_at, rank, event, told, kept_id from vagaro_appointments where id = $1
"""
APPOINTMENT_KEPT = """
select ref, id, customer, content, changed_at, rank, event, told, kept_id from vagaro_appointments where kept_id = $1
"""
APPOINTMENTS_OF = """
select ref, id, customer, content, changed_at, rank, event, told, kept_id from vagaro_appointments
 where customer = $1 order by id
"""
SAVE_APPOINTMENT = """
insert into vagaro_appointments (ref, id, customer, content, changed_at, rank, event, told, kept_id)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (ref) do update set customer = excluded.customer, content = excluded.content,
    changed_at = excluded.changed_at, rank = excluded.rank, event = excluded.event, told = excluded.told,
    kept_id = excluded.kept_id
"""
FORGET_PATIENT = """
with gone as (delete from vagaro_customers where patient_id = $1 returning ref, id),
     theirs as (delete from vagaro_appointments where customer in (select ref from gone) returning id)
select id from gone union all select id from theirs
"""
FORGET_OLD = """
delete from vagaro_customers c
 where patient_id is null and heard_at < now() - $1::interval
   and not exists (select from vagaro_appointments a where a.customer = c.ref)
returning id
"""


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """A row of `vagaro_customers`."""

    ref: bytes
    id: UUID
    content: str | None
    order: Order
    patient_id: UUID | None = None
    kept_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class AppointmentRow:
    """A row of `vagaro_appointments`."""

    ref: bytes
    id: UUID
    customer: bytes | None
    content: str
    order: Order
    told: bytes | None = None
    kept_id: UUID | None = None


async def one_at_a_time(conn: asyncpg.Connection) -> None:
    """Wait for whoever is listening to Vagaro; until the transaction ends."""
    await conn.execute(ONE_AT_A_TIME)


async def customer(conn: asyncpg.Connection, ref: bytes) -> CustomerRow | None:
    """A customer."""
    return _customer(await conn.fetchrow(CUSTOMER, ref))


async def customer_kept_as(conn: asyncpg.Connection, kept_id: UUID) -> CustomerRow | None:
    """The customer that waits for a person as this kept contact."""
    return _customer(await conn.fetchrow(CUSTOMER_KEPT, kept_id))


async def save_customer(conn: asyncpg.Connection, row: CustomerRow) -> None:
    """Write a customer."""
    order = row.order
    await conn.execute(
        SAVE_CUSTOMER, row.ref, row.id, row.content, order.at, order.rank, order.event, row.patient_id, row.kept_id
    )


async def appointment(conn: asyncpg.Connection, ref: bytes) -> AppointmentRow | None:
    """An appointment by Vagaro's id."""
    return _appointment(await conn.fetchrow(APPOINTMENT, ref))


async def appointment_by_id(conn: asyncpg.Connection, row_id: UUID) -> AppointmentRow | None:
    """An appointment by the row's own id."""
    return _appointment(await conn.fetchrow(APPOINTMENT_BY_ID, row_id))


async def appointment_kept_as(conn: asyncpg.Connection, kept_id: UUID) -> AppointmentRow | None:
    """The appointment that waits for a person as this kept contact."""
    return _appointment(await conn.fetchrow(APPOINTMENT_KEPT, kept_id))


async def appointments_of(conn: asyncpg.Connection, customer: bytes) -> Sequence[AppointmentRow]:
    """A customer's appointments, in the order in which they were first heard of."""
    rows = [_appointment(row) for row in await conn.fetch(APPOINTMENTS_OF, customer)]
    return [row for row in rows if row is not None]


async def save_appointment(conn: asyncpg.Connection, row: AppointmentRow) -> None:
    """Write an appointment."""
    order = row.order
    await conn.execute(
        SAVE_APPOINTMENT, row.ref, row.id, row.customer, row.content, order.at, order.rank, order.event, row.told,
        row.kept_id,
    )  # fmt: skip


async def forget_patient(conn: asyncpg.Connection, patient_id: UUID) -> Sequence[UUID]:
    """Forget who a patient is at Vagaro. Gives the rows' ids, whose keys may go."""
    return [row["id"] for row in await conn.fetch(FORGET_PATIENT, patient_id)]


async def forget_old(conn: asyncpg.Connection, older_than: timedelta) -> Sequence[UUID]:
    """Forget customers who never booked. Gives the rows' ids, whose keys may go."""
    return [row["id"] for row in await conn.fetch(FORGET_OLD, older_than)]


def _customer(row: asyncpg.Record | None) -> CustomerRow | None:
    if row is None:
        return None
    order = Order(row["changed_at"], row["rank"], row["event"])
    return CustomerRow(row["ref"], row["id"], row["content"], order, row["patient_id"], row["kept_id"])


def _appointment(row: asyncpg.Record | None) -> AppointmentRow | None:
    if row is None:
        return None
    order = Order(row["changed_at"], row["rank"], row["event"])
    return AppointmentRow(row["ref"], row["id"], row["customer"], row["content"], order, row["told"], row["kept_id"])
