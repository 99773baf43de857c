"""A text came in: STOP, START and HELP take effect at once, everything else joins its patient or makes one."""

import hashlib
from uuid import UUID

from services.intake.domain.contact import Contact
from services.intake.domain.keywords import Meaning, recognise
from services.intake.domain.text import Text
from services.intake.handlers import kept, leads, numbers
from services.intake.handlers.newcomers import FRONT_DESK, Newcomer, welcome
from services.intake.handlers.people import OPT_OUT_DOUBT
from services.intake.handlers.sealed import open_details
from services.intake.reading import zone_of
from services.intake.repository import arrivals, consents, merges, patients
from services.intake.repository.arrivals import Key
from services.intake.repository.patients import Patient
from shared.contracts.intake import Channel, ConsentKind, ConsentRevoked, MessageReceived
from shared.ids import new_id
from shared.security.sealing import Box
from shared.tasks import raise_task
from shared.uow import UnitOfWork

TWILIO = "twilio"
TEXT_CANCEL = "text-cancel"


async def receive(uow: UnitOfWork, text: Text) -> None:
    """Take a text in, once per message id. A stranger who only says STOP is not made a patient."""
    key = _key(text)
    contact = _contact(uow, text)
    points = leads.points_of(uow.lookup, contact)
    assert points.phone is not None
    fresh = new_id()
    due = uow.clinic.answer_due(uow.now)
    claim = await arrivals.claim(uow.conn, key, fresh, points, due)
    if not claim.claimed or claim.by_phone is None:
        return
    opted_out = await consents.is_opted_out(uow.conn, points.phone)
    meaning = recognise(text.body, opted_out=opted_out, vendor_says=text.vendor_says)
    await _heed(uow, meaning, points.phone)
    if claim.by_phone != fresh:
        await _from_patient(uow, claim.by_phone, text, meaning, contact, key)
    elif meaning.keyword == "stop":
        await arrivals.drop_points(uow.conn, fresh)
        await arrivals.record_answer(uow.conn, key, None, None)
        if meaning.cancel:
            await _keep_cancel(uow, text)
    else:
        await welcome(uow, [Newcomer(uow, fresh, contact, points)], due)
        await _from_stranger(uow, fresh, text, meaning, contact)


async def _keep_cancel(uow: UnitOfWork, text: Text) -> None:
    """It may be a patient on another telephone, who means an appointment: a person looks."""
    await kept.keep(
        uow, text.body.encode(), door=TWILIO, reason="cancel-from-unknown",
        fingerprint=hashlib.sha256(b"cancel\0" + text.sid.encode()).digest(), text=f"{text.sender}: {text.whole}",
    )  # fmt: skip


async def _heed(uow: UnitOfWork, meaning: Meaning, phone: bytes) -> None:
    if meaning.keyword == "stop":
        await numbers.opt_out(uow, phone)
    elif meaning.keyword == "start":
        await numbers.opt_in(uow, phone)


async def _from_stranger(uow: UnitOfWork, patient_id: UUID, text: Text, meaning: Meaning, contact: Contact) -> None:
    if meaning.keyword is not None:
        await _say(uow, patient_id, await uow.keys.box(patient_id), text, meaning, contact)
    await _ask_a_person(uow, patient_id, text, meaning)


async def _from_patient(
    uow: UnitOfWork, patient_id: UUID, text: Text, meaning: Meaning, contact: Contact, key: Key
) -> None:
    patient = await patients.patient(uow.conn, patient_id, lock=True)
    assert patient is not None
    await arrivals.record_answer(uow.conn, key, patient_id, patient.answer_due)
    box = await uow.keys.box(patient_id)
    if meaning.keyword == "start" and not _is_texted(patient, box, text.sender):
        meaning = Meaning()  # that number speaks for itself; whether the patient means their own too, a person asks
    if patient.closed_at is not None and meaning.keyword is None:
        _, due = await leads.reach_again(uow, patient, box, contact)
        await leads.ask_for_answer(uow, patient_id, due, contact.message)
    await _say(uow, patient_id, box, text, meaning, contact)
    await _ask_a_person(uow, patient_id, text, meaning)


def _is_texted(patient: Patient, box: Box, phone: str) -> bool:
    return patient.details is not None and open_details(box, patient.details).phone == phone


async def _say(uow: UnitOfWork, patient_id: UUID, box: Box, text: Text, meaning: Meaning, contact: Contact) -> None:
    if meaning.keyword == "stop":
        # Whose number it was before a merge must not be texted either, should the two be taken apart again.
        before = await merges.whose_phone_before(uow.conn, uow.lookup.hash("phone", text.sender))
        for one in (patient_id, *(() if before is None else (before,))):
            await consents.revoke_consent(uow.conn, one, ConsentKind.SMS, Channel.TEXT, uow.now)
            uow.publish(ConsentRevoked(patient_id=one, kind=ConsentKind.SMS, channel=Channel.TEXT))
    elif meaning.keyword == "start":
        await leads.give_consents(uow, patient_id, (ConsentKind.SMS,), contact, by_keyword=True)
    uow.publish(
        MessageReceived(
            patient_id=patient_id, message_id=new_id(), channel=Channel.TEXT, body=box.seal(text.whole),
            keyword=meaning.keyword, media=text.media, received_at=uow.now,
        )
    )  # fmt: skip


async def _ask_a_person(uow: UnitOfWork, patient_id: UUID, text: Text, meaning: Meaning) -> None:
    kind = TEXT_CANCEL if meaning.cancel else OPT_OUT_DOUBT if meaning.doubt else None
    if kind is not None:
        await raise_task(
            uow, kind=kind, subject=patient_id, occurrence=text.sid, role=FRONT_DESK, patient_id=patient_id,
            deadline=uow.clinic.answer_due(uow.now), detail=text.body,
        )  # fmt: skip


def _contact(uow: UnitOfWork, text: Text) -> Contact:
    return Contact(
        channel=Channel.TEXT, language=uow.clinic.languages[0], phone=text.sender, message=text.whole or None,
        zone=zone_of(text.sender, uow.clinic.zone),
    )  # fmt: skip


def _key(text: Text) -> Key:
    # A vendor's message id names one message for good, so its words need no comparing.
    sid = hashlib.sha256(text.sid.encode()).digest()
    return Key(TWILIO, sid, sid)
