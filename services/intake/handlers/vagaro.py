"""Vagaro's two halves, a customer and an appointment, become a patient with a booking; in any order, and once.

Its words are kept until they fit together. What stands is what Vagaro said last by its own time, so a late word changes
nothing; what was published once is published again only when it is different.
"""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from services.intake.domain.contact import Unusable
from services.intake.domain.vagaro import (
    Appointment,
    Customer,
    NotUnderstood,
    Order,
    Webhook,
    code,
    read_appointment,
    read_customer,
)
from services.intake.handlers import kept, leads
from services.intake.handlers.updates import learn_more
from services.intake.reading import contact_of_customer
from services.intake.repository import arrivals, vagaro
from services.intake.repository.arrivals import Key, Points
from services.intake.repository.vagaro import AppointmentRow, CustomerRow
from shared.contracts.intake import ExternalBookingReceived, ExternalBusyChanged
from shared.ids import new_id
from shared.security.sealing import Box
from shared.timers import Timer, cancel_timers, set_timer
from shared.uow import UnitOfWork

VAGARO = "vagaro"
WAITING = "vagaro-join"
BUSY = UUID("5d0c7a4e-3b0e-5c52-9b7e-0f4f6d7a9c11")
"""The namespace of `busy_id`: uuid5 of Vagaro's appointment id."""
UNSAID = Order(datetime.fromtimestamp(0, UTC), 0, b"")
_NO_ADDRESS = Points(phone=None, email=None)


async def receive(uow: UnitOfWork, webhook: Webhook, *, wait: timedelta, people: dict[str, str]) -> None:
    """Take a customer's or an appointment's webhook in, once per id.

    `people` names the clinic's people by Vagaro's provider ids; an appointment waits for `wait` to be somebody's.

    Raises:
        NotUnderstood: nothing was kept of it.
    """
    await vagaro.one_at_a_time(uow.conn)
    name = hashlib.sha256(webhook.id.encode()).digest()
    key = Key(VAGARO, name, name)
    claim = await arrivals.claim(uow.conn, key, new_id(), _NO_ADDRESS, uow.now)
    if not claim.claimed:
        return
    await arrivals.record_answer(uow.conn, key, None, None)
    if webhook.type == "customer":
        await _customer(uow, webhook, people)
    else:
        await _appointment(uow, webhook, wait, people)


async def give_up(uow: UnitOfWork, timer: Timer) -> None:
    """Nobody said in time whose appointment it is: a person looks it up. A late answer is still taken."""
    await vagaro.one_at_a_time(uow.conn)
    row = await vagaro.appointment_by_id(uow.conn, timer.subject)
    if row is None or row.kept_id is not None:
        return
    said = _opened(await uow.keys.box(row.id), row)
    owner = await _owner(uow, row)
    if said.personal or said.standing == "cancelled" or (owner is not None and owner.content is None):
        return
    at = said.starts_at.astimezone(uow.clinic.tz)
    text = f"Vagaro: {said.title or 'an appointment'}, {at:%Y-%m-%d %H:%M}, number {said.id}. Look up who it is."
    kept_id = await _keep(uow, row.ref, said.model_dump_json(by_alias=True), "customer-unknown", text)
    await vagaro.save_appointment(uow.conn, replace(row, kept_id=kept_id))


async def found_by_hand(uow: UnitOfWork, kept_id: UUID, patient_id: UUID, people: dict[str, str]) -> None:
    """A person read a kept contact and found `patient_id` in it: what came from Vagaro is theirs."""
    await vagaro.one_at_a_time(uow.conn)
    customer = await vagaro.customer_kept_as(uow.conn, kept_id)
    row = await vagaro.appointment_kept_as(uow.conn, kept_id)
    if customer is None and row is not None and row.customer is not None:
        # Their details came and are of no use, or may yet come: whatever Vagaro says of them is newer than this.
        customer = await vagaro.customer(uow.conn, row.customer)
        customer = customer or CustomerRow(row.customer, new_id(), None, UNSAID, patient_id)
    if customer is not None:
        await _belongs(uow, replace(customer, content=None, patient_id=patient_id), patient_id, people)
    elif row is not None:
        await _tell(uow, row, _opened(await uow.keys.box(row.id), row), patient_id, people)


async def _customer(uow: UnitOfWork, webhook: Webhook, people: dict[str, str]) -> None:
    said = read_customer(webhook.payload)
    ref = uow.lookup.hash("vagaro-customer", said.id)
    old = await vagaro.customer(uow.conn, ref)
    if old is not None and old.content is not None and old.order >= webhook.order:
        return
    row = replace(old, order=webhook.order) if old is not None else CustomerRow(ref, new_id(), None, webhook.order)
    if old is not None and old.patient_id is not None:
        if old.order < webhook.order:
            await vagaro.save_customer(uow.conn, row)
            await _learn(uow, old.patient_id, said, webhook)
        return
    if old is None:
        await uow.keys.create(row.id)
    sealed = (await uow.keys.box(row.id)).seal_json(said.model_dump(by_alias=True))
    row = replace(row, content=sealed)
    await vagaro.save_customer(uow.conn, row)
    if await vagaro.appointments_of(uow.conn, ref):
        await _join(uow, row, said, people)


async def _learn(uow: UnitOfWork, patient_id: UUID, said: Customer, webhook: Webhook) -> None:
    try:
        contact = contact_of_customer(said, uow.clinic)
    except Unusable:
        return  # Vagaro no longer knows how to reach them; we do
    await learn_more(uow, patient_id, contact, occurrence=webhook.order.event.hex()[:32])


async def _join(uow: UnitOfWork, row: CustomerRow, said: Customer, people: dict[str, str]) -> UUID | None:
    """The customer becomes a patient, or joins one; None where nobody could reach them."""
    try:
        contact = contact_of_customer(said, uow.clinic)
    except Unusable as error:
        if row.kept_id is None:
            text = f"Vagaro: {said.name}, no phone or e-mail that works. They have booked; look them up there."
            kept_id = await _keep(uow, row.ref, said.model_dump_json(by_alias=True), f"unusable:{error}"[:200], text)
            await vagaro.save_customer(uow.conn, replace(row, kept_id=kept_id))
        return None
    name = hashlib.sha256(row.ref + row.id.bytes).digest()
    accepted = await leads.accept(uow, contact, Key("vagaro-customer", name, name))
    await _belongs(uow, replace(row, content=None, patient_id=accepted.patient_id), accepted.patient_id, people)
    return accepted.patient_id


async def _belongs(uow: UnitOfWork, row: CustomerRow, patient_id: UUID, people: dict[str, str]) -> None:
    """Customer and patient are one: tell of everything they have booked."""
    if row.kept_id is not None:
        await kept.settle(uow, row.kept_id, outcome="customer-came", patient_id=patient_id)
    await vagaro.save_customer(uow.conn, replace(row, kept_id=None))
    for booked in await vagaro.appointments_of(uow.conn, row.ref):
        said = _opened(await uow.keys.box(booked.id), booked)
        if not said.personal:
            await _tell(uow, booked, said, patient_id, people)


async def _appointment(uow: UnitOfWork, webhook: Webhook, wait: timedelta, people: dict[str, str]) -> None:
    said = read_appointment(webhook.payload, webhook.action)
    if said.personal and said.provider is None:
        raise NotUnderstood("whose-time")
    ref = uow.lookup.hash("vagaro-appointment", said.id)
    old = await vagaro.appointment(uow.conn, ref)
    row_id = old.id if old is not None else new_id()
    if old is None:
        await uow.keys.create(row_id)
    box = await uow.keys.box(row_id)
    newest, order, other = said, webhook.order, None
    if old is not None:
        other = _opened(box, old)
        if old.order >= webhook.order:
            newest, order, other = other, old.order, said
    # Whose it is may be said by any of its webhooks, a deletion often says less.
    newest = newest.filled_from(other)
    row = AppointmentRow(
        ref=ref, id=row_id, customer=uow.lookup.hash("vagaro-customer", newest.customer) if newest.customer else None,
        content=box.seal_json(newest.model_dump(by_alias=True, mode="json")), order=order,
        told=old.told if old is not None else None, kept_id=old.kept_id if old is not None else None,
    )  # fmt: skip
    await vagaro.save_appointment(uow.conn, row)
    if newest.personal:
        await _busy(uow, row, newest, people, removed=False)
        return
    if row.told is not None and row.told.startswith(b"busy"):
        row = await _busy(uow, row, newest, people, removed=True)
    await _whose(uow, row, newest, wait, people)


async def _whose(
    uow: UnitOfWork, row: AppointmentRow, said: Appointment, wait: timedelta, people: dict[str, str]
) -> None:
    owner = await _owner(uow, row)
    if owner is not None and owner.patient_id is not None:
        await _tell(uow, row, said, owner.patient_id, people)
    elif owner is not None and owner.content is not None:
        found = (await uow.keys.box(owner.id)).open_json(owner.content)
        await _join(uow, owner, Customer.model_validate(found), people)
    elif said.standing != "cancelled":
        await set_timer(uow, kind=WAITING, subject=row.id, occurrence="join", due_at=uow.now + wait)


async def _tell(
    uow: UnitOfWork, row: AppointmentRow, said: Appointment, patient_id: UUID, people: dict[str, str]
) -> None:
    """Publish the booking as it stands, unless that was said before."""
    status = said.standing
    assert status is not None
    provider = people.get(said.provider, code(said.provider)) if said.provider else None
    told = b"booking:" + _digest([said.starts_at, said.ends_at, status, said.title, provider])
    if row.told != told:
        box = await uow.keys.box(patient_id)
        uow.publish(
            ExternalBookingReceived(
                patient_id=patient_id, vendor=VAGARO, external_id=code(said.id), starts_at=said.starts_at,
                ends_at=said.ends_at, status=status, provider_ref=provider, changed_at=row.order.at,
                service_title=box.seal(said.title) if said.title else None,
            )
        )  # fmt: skip
    if row.kept_id is not None:
        await kept.settle(uow, row.kept_id, outcome="customer-came", patient_id=patient_id)
    await cancel_timers(uow, subject=row.id, kind=WAITING)
    await vagaro.save_appointment(uow.conn, replace(row, told=told, kept_id=None))


async def _busy(
    uow: UnitOfWork, row: AppointmentRow, said: Appointment, people: dict[str, str], *, removed: bool
) -> AppointmentRow:
    """Somebody of the clinic keeps this time free, or no longer."""
    provider = said.provider or ""
    told = b"busy:" + _digest([said.starts_at, said.ends_at, provider, removed])
    if row.told == told:
        return row
    uow.publish(
        ExternalBusyChanged(
            busy_id=uuid5(BUSY, said.id), vendor=VAGARO, provider_ref=people.get(provider, code(provider)),
            starts_at=said.starts_at, ends_at=said.ends_at, removed=removed,
        )
    )  # fmt: skip
    row = replace(row, told=None if removed else told)
    await vagaro.save_appointment(uow.conn, row)
    return row


async def _owner(uow: UnitOfWork, row: AppointmentRow) -> CustomerRow | None:
    return await vagaro.customer(uow.conn, row.customer) if row.customer is not None else None


async def _keep(uow: UnitOfWork, ref: bytes, content: str, reason: str, text: str) -> UUID | None:
    fingerprint = hashlib.sha256(b"vagaro\0" + ref + reason.encode()).digest()
    return await kept.keep(uow, content.encode(), door=VAGARO, reason=reason, fingerprint=fingerprint, text=text)


def _opened(box: Box, row: AppointmentRow) -> Appointment:
    return Appointment.model_validate(box.open_json(row.content))


def _digest(said: list[object]) -> bytes:
    return hashlib.sha256(json.dumps([str(part) for part in said]).encode()).digest()
