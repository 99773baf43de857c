"""What a number says for itself, whoever's it is; and what a patient's new number brings with it: a STOP that it once
said, and the zone that it lies in.
"""

from dataclasses import replace
from uuid import UUID, uuid5

from services.intake.reading import zone_of
from services.intake.repository import consents
from services.intake.repository.patients import Patient
from shared.contracts.intake import Channel, ConsentKind, ConsentRevoked, NumberOptedIn, NumberOptedOut
from shared.uow import UnitOfWork

NUMBERS = UUID("5b0b1c52-6c6e-4f0c-9d0a-6f2e8a1d7c35")
"""The namespace of numbers' ids: STOP and START of one number keep their order under one."""


async def opt_out(uow: UnitOfWork, phone: bytes) -> None:
    """The number (a keyed hash) is texted no more by anybody, also where it is no patient's."""
    await consents.opt_out(uow.conn, phone, uow.now)
    uow.publish(NumberOptedOut(number_id=uuid5(NUMBERS, phone.hex()), phone_hash=phone.hex()))


async def opt_in(uow: UnitOfWork, phone: bytes) -> None:
    """The number itself takes its STOP back."""
    if await consents.opt_in(uow.conn, phone, uow.now):
        uow.publish(NumberOptedIn(number_id=uuid5(NUMBERS, phone.hex()), phone_hash=phone.hex()))


async def stands_still(uow: UnitOfWork, phone: str | None) -> bool:
    """Whether this number said STOP, and not START since."""
    return phone is not None and await consents.is_opted_out(uow.conn, uow.lookup.hash("phone", phone))


async def heed_stop(uow: UnitOfWork, patient_id: UUID, phone: str | None, channel: Channel) -> None:
    """A number that said STOP is not texted, whoever's it becomes.

    `channel` is the door by which it became theirs. Said before the number itself is: nobody may text it in between.
    """
    if await stands_still(uow, phone):
        await consents.revoke_consent(uow.conn, patient_id, ConsentKind.SMS, channel, uow.now)
        uow.publish(ConsentRevoked(patient_id=patient_id, kind=ConsentKind.SMS, channel=channel))


def moved_to(uow: UnitOfWork, patient: Patient, phone: str | None) -> tuple[Patient, tuple[str, ...]]:
    """The patient with the zone of their new number, and `("zone",)` where that is another than before."""
    zone = zone_of(phone, uow.clinic.zone) or uow.clinic.zone
    return replace(patient, zone=zone), (() if zone == (patient.zone or uow.clinic.zone) else ("zone",))
