"""Numbers that take no texts: a landline is tried once and not for every message.

The promise: after a carrier's final word nobody is texted on that number until somebody texts us from it, or until the
patient has another one. What would have been texted goes by e-mail where they allow that, else a person calls.
"""

from uuid import UUID

from services.notifications.domain.delivery import State, takes_no_texts
from services.notifications.handlers import delivery
from services.notifications.handlers.people import suppress
from services.notifications.handlers.planning import replan_all
from services.notifications.handlers.reaching import UNDELIVERABLE, known, reached_as
from services.notifications.repository import messages, people
from services.notifications.rows import Patient
from shared.uow import UnitOfWork


async def failed(uow: UnitOfWork, message_id: UUID, reason: str, *, vendor_id: str | None = None) -> None:
    """A message did not arrive; where its number takes no texts at all, no more are sent there."""
    row = await messages.find(uow.conn, message_id)
    # To where it went, which need not be their number any more.
    number = await delivery.number_of(uow, row) if row is not None and row.channel == "sms" else None
    if number is None or not takes_no_texts(reason):
        await delivery.note(uow, message_id, State.FAILED, vendor_id=vendor_id, reason=reason)
        return
    # Patients before messages, as whoever plans for them locks them.
    theirs = [await known(uow, patient_id) for patient_id in sorted(await people.with_phone(uow.conn, number))]
    if not await delivery.note(uow, message_id, State.FAILED, vendor_id=vendor_id, reason=reason):
        return
    await people.mark_unreachable(uow.conn, number, reason, uow.now)
    for patient in theirs:
        await suppress(uow, patient.id, "sms", UNDELIVERABLE)
        await replan_all(uow, await known(uow, patient.id))


async def heard_from(uow: UnitOfWork, patient: Patient) -> Patient:
    """They texted us, so their number takes texts after all. Should it have been another, the next text shows that."""
    target = await reached_as(uow, patient)
    if target.unreachable is None or target.phone_hash is None:
        return patient
    await people.mark_reachable(uow.conn, target.phone_hash)
    for patient_id in sorted({patient.id, *await people.with_phone(uow.conn, target.phone_hash)}):
        await replan_all(uow, await known(uow, patient_id))
    return await known(uow, patient.id)
