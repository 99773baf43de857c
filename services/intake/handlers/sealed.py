"""What intake knows of a patient, closed with the patient's key: for its own row and for its events."""

from datetime import date, datetime
from uuid import UUID

from services.intake.domain.contact import Contact, Details
from services.intake.repository.patients import Patient
from shared.contracts.base import WrappedKey
from shared.contracts.intake import Channel, ConsentKind, LeadCreated, LeadUpdated
from shared.security.sealing import Box


def seal_details(box: Box, details: Details) -> str:
    """What `patients.details` holds."""
    born = details.date_of_birth
    return box.seal_json(
        {
            "name": details.name,
            "phone": details.phone,
            "email": details.email,
            "date_of_birth": None if born is None else born.isoformat(),
        }
    )


def open_details(box: Box, sealed: str) -> Details:
    """What `seal_details` sealed."""
    found = box.open_json(sealed)
    born = found.pop("date_of_birth")
    return Details(**found, date_of_birth=None if born is None else date.fromisoformat(born))


def lead_updated(
    box: Box,
    patient: Patient,
    details: Details,
    changed: tuple[str, ...],
    channel: Channel | None = None,
    due: datetime | None = None,
) -> LeadUpdated:
    """The event for a change; carries the fields that `changed` names. `patient` is as they are now."""
    reach = bool({"phone", "email"} & set(changed))
    born = details.date_of_birth
    return LeadUpdated(
        patient_id=patient.id,
        changed=changed,
        name=box.seal(details.name) if "name" in changed and details.name else None,
        contact=box.seal_json({"phone": details.phone, "email": details.email}) if reach else None,
        has_phone=details.phone is not None if reach else None,
        has_email=details.email is not None if reach else None,
        zone=patient.zone if "zone" in changed else None,
        language=patient.language if "language" in changed else None,
        date_of_birth=box.seal(born.isoformat()) if "date_of_birth" in changed and born else None,
        channel=channel,
        answer_due=due,
    )


def lead_created(
    box: Box,
    contact: Contact,
    patient_id: UUID,
    wrapped: WrappedKey,
    due: datetime,
    consents: tuple[ConsentKind, ...],
) -> LeadCreated:
    """The event for a new person, with the key that opens what it seals."""
    return LeadCreated(
        patient_id=patient_id,
        key=wrapped,
        channel=contact.channel,
        name=None if contact.name is None else box.seal(contact.name),
        contact=box.seal_json({"phone": contact.phone, "email": contact.email}),
        has_phone=contact.phone is not None,
        has_email=contact.email is not None,
        language=contact.language,
        zone=contact.zone,
        message=None if contact.message is None else box.seal(contact.message),
        consents=consents,
        campaign=contact.campaign,
        answer_due=due,
    )
