"""A contact becomes one patient, once: a new one, or more of one we know."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.intake.agreements import agreement
from services.intake.domain.contact import Contact, Details, Learned, learn
from services.intake.handlers.sealed import lead_created, lead_updated, open_details, seal_details
from services.intake.repository import patients
from services.intake.repository.patients import Key, Patient, Points
from shared.contracts.intake import (
    ConsentGiven,
    ConsentKind,
    ConsentRevoked,
    LeadUpdated,
    MessageReceived,
)
from shared.ids import new_id
from shared.security.lookup import Lookup
from shared.security.sealing import Box
from shared.tasks import raise_task
from shared.uow import UnitOfWork

ANSWER_LEAD = "answer-lead"
CONTACT_DIFFERS = "contact-differs"
POSSIBLE_DUPLICATE = "possible-duplicate"
FRONT_DESK = "front_desk"


@dataclass(frozen=True, slots=True)
class Accepted:
    """Whose contact it is and by when a person answers; the same for every repetition of its key."""

    patient_id: UUID
    answer_due: datetime


class KeyReused(Exception):
    """The key was used for other words before; nothing was kept of these."""


async def accept(uow: UnitOfWork, contact: Contact, key: Key) -> Accepted:
    """Take a contact in.

    Raises:
        KeyReused: something else was said under this key.
    """
    points = points_of(uow.lookup, contact)
    fresh = new_id()
    claim = await patients.claim(uow.conn, key, fresh, points)
    if not claim.claimed:
        return await _answer_again(uow, key)
    known = [owner for owner in (claim.by_phone, claim.by_email) if owner not in (None, fresh)]
    if not known:
        return await create(uow, contact, fresh, key, points)
    owner = known[0]
    assert owner is not None
    await _attach_new_points(uow, points, claim, owner, fresh)
    accepted = await _add_to_known(uow, contact, owner, key)
    if len(set(known)) > 1:
        await _ask_about_duplicate(uow, owner, known[1])
    return accepted


async def create(uow: UnitOfWork, contact: Contact, patient_id: UUID, key: Key, points: Points) -> Accepted:
    """A person who was not known. Their addresses are claimed already."""
    wrapped = await uow.keys.create(patient_id)
    box = await uow.keys.box(patient_id)
    due = uow.clinic.answer_due(uow.now)
    details = Details(contact.name, contact.phone, contact.email, contact.date_of_birth)
    patient = Patient(
        id=patient_id, channel=contact.channel, language=contact.language, zone=contact.zone,
        details=seal_details(box, details), answer_due=due, created_at=uow.now,
    )  # fmt: skip
    opted_out = await patients.add_patient(uow.conn, patient, key, points)
    consents = tuple(kind for kind in contact.consents if not (opted_out and kind is ConsentKind.SMS))
    uow.publish(lead_created(box, contact, patient_id, wrapped, due, consents))
    if contact.date_of_birth is not None:
        born = box.seal(contact.date_of_birth.isoformat())
        uow.publish(LeadUpdated(patient_id=patient_id, changed=("date_of_birth",), date_of_birth=born))
    await give_consents(uow, patient_id, consents, contact)
    if opted_out:
        uow.publish(ConsentRevoked(patient_id=patient_id, kind=ConsentKind.SMS, channel=contact.channel))
    await raise_task(
        uow, kind=ANSWER_LEAD, subject=patient_id, occurrence="first", role=FRONT_DESK, patient_id=patient_id,
        deadline=due, detail=contact.message,
    )  # fmt: skip
    return Accepted(patient_id, due)


async def reach_again(uow: UnitOfWork, patient: Patient, box: Box, contact: Contact) -> tuple[Learned, datetime]:
    """A known person made contact: fill what was missing, reopen what was closed, say by when a person answers."""
    assert patient.details is not None
    known = open_details(box, patient.details)
    learned = learn(known, contact, open_to_new=patient.arranged_at is None)
    reopened = ("reopened",) if patient.closed_at is not None else ()
    due = uow.clinic.answer_due(uow.now)
    saved = replace(
        patient, details=seal_details(box, learned.details), zone=patient.zone or contact.zone, answer_due=due,
        closed_at=None,
    )  # fmt: skip
    await patients.save_patient(uow.conn, saved, uow.now)
    changed = (*learned.changed, *reopened)
    uow.publish(lead_updated(box, patient.id, learned.details, changed or ("answer_due",), contact.channel, due))
    return learned, due


async def give_consents(
    uow: UnitOfWork, patient_id: UUID, kinds: tuple[ConsentKind, ...], contact: Contact, *, by_keyword: bool = False
) -> None:
    """Record what somebody agreed to, with the very words."""
    for kind in kinds:
        text = agreement(uow.clinic, kind, contact.language, by_keyword=by_keyword)
        await patients.set_consent(uow.conn, patient_id, text, contact.channel, uow.now)
        uow.publish(
            ConsentGiven(
                patient_id=patient_id, consent_id=new_id(), kind=kind, text_hash=text.hash, text_version=text.version,
                language=text.language, channel=contact.channel,
            )
        )  # fmt: skip


async def ask_for_answer(uow: UnitOfWork, patient_id: UUID, due: datetime, words: str | None) -> None:
    """Somebody has to answer, unless that is on the list already."""
    if await patients.has_open_task(uow.conn, ANSWER_LEAD, patient_id):
        return
    await raise_task(
        uow, kind=ANSWER_LEAD, subject=patient_id, occurrence=f"contact-{new_id()}", role=FRONT_DESK,
        patient_id=patient_id, deadline=due, detail=words,
    )  # fmt: skip


def points_of(lookup: Lookup, contact: Contact) -> Points:
    """The keyed hashes of a contact's addresses."""
    found = {kind: lookup.hash(kind, value) for kind, value in contact.points()}
    return Points(phone=found.get("phone"), email=found.get("email"))


async def _add_to_known(uow: UnitOfWork, contact: Contact, patient_id: UUID, key: Key) -> Accepted:
    patient = await patients.patient(uow.conn, patient_id, lock=True)
    assert patient is not None
    box = await uow.keys.box(patient_id)
    learned, due = await reach_again(uow, patient, box, contact)
    await patients.record_answer(uow.conn, key, patient_id, due)
    await _new_consents(uow, patient_id, contact)
    if contact.message is not None:
        uow.publish(
            MessageReceived(
                patient_id=patient_id, message_id=new_id(), channel=contact.channel, body=box.seal(contact.message),
                received_at=uow.now,
            )
        )  # fmt: skip
    await ask_for_answer(uow, patient_id, due, contact.message)
    if learned.differs:
        said = {"name": contact.name, "phone": contact.phone, "email": contact.email, "date_of_birth": "…"}
        await raise_task(
            uow, kind=CONTACT_DIFFERS, subject=patient_id, occurrence=key.key.hex()[:32], role=FRONT_DESK,
            patient_id=patient_id, detail="; ".join(f"{name}: {said[name]}" for name in learned.differs),
        )  # fmt: skip
    return Accepted(patient_id, due)


async def _new_consents(uow: UnitOfWork, patient_id: UUID, contact: Contact) -> None:
    if not contact.consents:
        return
    wanted = set(contact.consents) - await patients.consents(uow.conn, patient_id)
    # A STOP stands until the number itself writes START: whoever fills in a form may not be who holds the phone.
    if ConsentKind.SMS in wanted and await _is_opted_out(uow, contact.phone):
        wanted.discard(ConsentKind.SMS)
    await give_consents(uow, patient_id, tuple(kind for kind in contact.consents if kind in wanted), contact)


async def _is_opted_out(uow: UnitOfWork, phone: str | None) -> bool:
    return phone is not None and await patients.is_opted_out(uow.conn, uow.lookup.hash("phone", phone))


async def _attach_new_points(uow: UnitOfWork, points: Points, claim: patients.Claim, owner: UUID, fresh: UUID) -> None:
    if claim.by_phone == fresh and points.phone is not None:
        await patients.give_point(uow.conn, "phone", points.phone, owner, from_=fresh)
    if claim.by_email == fresh and points.email is not None:
        await patients.give_point(uow.conn, "email", points.email, owner, from_=fresh)


async def _ask_about_duplicate(uow: UnitOfWork, patient_id: UUID, other_id: UUID | None) -> None:
    await raise_task(
        uow, kind=POSSIBLE_DUPLICATE, subject=patient_id, occurrence=str(other_id), role=FRONT_DESK,
        patient_id=patient_id, detail=f"The phone is this patient's, the e-mail is that of patient {other_id}.",
    )  # fmt: skip


async def _answer_again(uow: UnitOfWork, key: Key) -> Accepted:
    answer = await patients.answered(uow.conn, key.producer, key.key)
    if answer is None or answer.body != key.body or answer.patient_id is None or answer.answer_due is None:
        raise KeyReused
    return Accepted(answer.patient_id, answer.answer_due)
