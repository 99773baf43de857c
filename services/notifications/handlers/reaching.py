"""Who is told, and by which channels they may be."""

from uuid import UUID

from services.notifications.domain.quiet import Window
from services.notifications.repository import people
from services.notifications.rows import Patient
from shared.clinic import Clinic
from shared.clinic.messages import SmsOrEmail
from shared.errors import NotYet
from shared.uow import UnitOfWork

_LONGEST_ALIAS = 8
PAGE = "visit"
"""What the links in our messages are for."""
ESCORT = "escort"
"""What the link of whoever takes the patient home is for."""
AFTER = "after"
"""What the link of the check-in message is for."""
TO_ESCORT = "escort_invite"
"""The one message that goes to them and not to the patient."""
OPTED_OUT, UNDELIVERABLE = "opted_out", "undeliverable"
"""Why a text is not sent: they said STOP; their number takes none."""


async def known(uow: UnitOfWork, patient_id: UUID) -> Patient:
    """The patient, locked: whatever is planned for them waits for this transaction.

    Raises:
        NotYet: LeadCreated has not been seen.
    """
    patient = await people.find(uow.conn, patient_id, lock=True)
    if patient is None:
        raise NotYet("LeadCreated")
    return patient


async def seen(uow: UnitOfWork, patient_id: UUID) -> Patient:
    """The patient as they are now, not locked: for who already holds a message, and would lock the wrong way round.

    Raises:
        NotYet: LeadCreated has not been seen.
    """
    patient = await people.find(uow.conn, patient_id)
    if patient is None:
        raise NotYet("LeadCreated")
    return patient


async def reached_as(uow: UnitOfWork, patient: Patient) -> Patient:
    """Whom messages go to: the patient, or the one that they turned out to be."""
    seen = {patient.id}
    while patient.alias_of is not None and len(seen) <= _LONGEST_ALIAS:
        target = await people.find(uow.conn, patient.alias_of)
        if target is None or target.id in seen:
            break
        seen.add(target.id)
        patient = target
    return patient


def channels(clinic: Clinic, target: Patient, *, answering: bool = False) -> list[SmsOrEmail]:
    """How this person may be told, the quicker first. `answering`: they texted us just now.

    Without consent a text is sent only to somebody who has no e-mail, within the healthcare exemption.
    """
    found: list[SmsOrEmail] = []
    exemption = clinic.messages.frequency.without_consent_per_day > 0 and not target.has_email
    if target.has_phone and not untexted(target) and (target.sms_consent or answering or exemption):
        found.append("sms")
    if target.has_email and not target.email_out:
        found.append("email")
    return found


def untexted(target: Patient) -> str | None:
    """Why this person is not texted, whatever it is about; None where they may be."""
    if target.sms_out:
        return OPTED_OUT
    return UNDELIVERABLE if target.unreachable is not None else None


def window_of(clinic: Clinic, target: Patient) -> Window:
    """The hours in which this person gets texts."""
    return Window(clinic.messages.send_between, target.tz(clinic.tz))


def language_of(clinic: Clinic, target: Patient) -> str:
    """The person's language, or the clinic's first."""
    return target.language if target.language in clinic.messages.words else clinic.languages[0]


def phone_mark(uow: UnitOfWork, phone: str) -> str:
    """Tells one number from another without naming it."""
    return mark_of(uow.lookup.hash("phone", phone))


def mark_of(number: bytes) -> str:
    """The mark of a number's keyed hash: the end of what is said to an escort."""
    return number.hex()[:8]
