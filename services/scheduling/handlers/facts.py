"""What other services say of a session's day, kept for its gates."""

import structlog

from services.scheduling.repository import calendar, day
from shared.contracts.assessment import (
    SafetyConcernCleared,
    SafetyConcernRaised,
    TreatmentConsentSigned,
    TreatmentConsentWithdrawn,
    VitalsRecorded,
)
from shared.contracts.notifications import PrepConfirmed
from shared.uow import UnitOfWork

log = structlog.get_logger()


async def consent(uow: UnitOfWork, event: TreatmentConsentSigned) -> None:
    """The patient signed this version of the text, for sessions by this route."""
    await uow.conn.execute(
        day.CONSENT, event.consent_id, event.patient_id, event.route.value, event.signed_at, event.text_version
    )


async def withdraw(uow: UnitOfWork, event: TreatmentConsentWithdrawn) -> None:
    """The patient took it back."""
    await uow.conn.execute(day.WITHDRAW, event.consent_id, event.patient_id, event.route.value)


async def worry(uow: UnitOfWork, event: SafetyConcernRaised) -> None:
    """Somebody may be in danger: no session is planned, booked or given until a clinician has cleared it."""
    await uow.conn.execute(day.RAISE_CONCERN, event.concern_id, event.patient_id, event.level)


async def clear(uow: UnitOfWork, event: SafetyConcernCleared) -> None:
    """A clinician spoke with them: a course that waited for that is planned."""
    await uow.conn.execute(day.CLEAR_CONCERN, event.concern_id, event.patient_id)
    await uow.conn.execute(day.CLEARED, await calendar.family(uow.conn, event.patient_id))


async def measure(uow: UnitOfWork, event: VitalsRecorded) -> None:
    """A reading; one that belongs to no appointment, or names one of somebody else's, says nothing about a session."""
    if event.appointment_id is None:
        return
    found = await calendar.find(uow.conn, event.appointment_id)
    if found is None or found.patient_id not in await calendar.family(uow.conn, event.patient_id):
        log.warning("reading_of_another_patient", appointment=str(event.appointment_id), vitals=str(event.vitals_id))
        return
    await uow.conn.execute(
        day.ADD_READING,
        event.vitals_id,
        event.appointment_id,
        event.phase,
        event.taken_at,
        event.systolic,
        event.diastolic,
        event.heart_rate,
        event.spo2,
    )


async def prepare(uow: UnitOfWork, event: PrepConfirmed) -> None:
    """The patient answered one item; an answer that was given for another time is dropped."""
    found = await calendar.find(uow.conn, event.appointment_id)
    if found is not None and event.starts_at not in (None, found.starts_at):
        return
    await uow.conn.execute(day.ANSWER, event.appointment_id, event.item, event.ok, event.answered_at)
