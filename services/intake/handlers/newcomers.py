"""People who were not known become patients: any number of them by the same few statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.intake.agreements import agreement
from services.intake.domain.contact import Contact, Details
from services.intake.handlers.sealed import lead_created, seal_details
from services.intake.repository import consents, patients
from services.intake.repository.arrivals import Points
from services.intake.repository.consents import Agreed
from services.intake.repository.patients import Patient
from shared.contracts.base import WrappedKey
from shared.contracts.intake import ConsentGiven, ConsentKind, ConsentRevoked, LeadUpdated
from shared.ids import new_id
from shared.security.sealing import Box
from shared.tasks import NewTask, PatientTask
from shared.uow import UnitOfWork

ANSWER_LEAD = "answer-lead"
FRONT_DESK = "front_desk"


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A stranger's contact, whose addresses are claimed for `patient_id`. Its events are published by `uow`."""

    uow: UnitOfWork
    patient_id: UUID
    contact: Contact
    points: Points


async def welcome(uow: UnitOfWork, newcomers: Sequence[Newcomer], due: datetime) -> None:
    """Make patients of them; somebody answers each by `due`. Their units of work share the transaction of `uow`."""
    if not newcomers:
        return
    wrapped = uow.keys.make_many([each.patient_id for each in newcomers])
    boxes = {each.patient_id: await uow.keys.box(each.patient_id) for each in newcomers}
    rows = [_row(each, boxes[each.patient_id], due) for each in newcomers]
    phones = [each.points.phone for each in newcomers if each.points.phone is not None]
    tasks = [NewTask.of(_task(each, due), boxes[each.patient_id]) for each in newcomers]
    keys = [wrapped[each.patient_id] for each in newcomers]
    opted_out = await patients.add_patients(uow.conn, rows, keys, tasks, phones, due=due, now=uow.now)
    allowed = {each.patient_id: _allowed(each, opted_out) for each in newcomers}
    agreed = [
        agreed_to(each.uow, each.patient_id, kind, each.contact)
        for each in newcomers
        for kind in allowed[each.patient_id]
    ]
    await consents.give_consents(uow.conn, agreed, uow.now)
    for each, task in zip(newcomers, tasks, strict=True):
        key, box = wrapped[each.patient_id], boxes[each.patient_id]
        _publish(each, box, key, due, allowed[each.patient_id], revoked=each.points.phone in opted_out)
        task.publish()


def agreed_to(
    uow: UnitOfWork, patient_id: UUID, kind: ConsentKind, contact: Contact, *, by_keyword: bool = False
) -> Agreed:
    """What somebody agreed to, in the very words."""
    return Agreed(patient_id, agreement(uow.clinic, kind, contact.language, by_keyword=by_keyword), contact.channel)


def publish_consent(uow: UnitOfWork, agreed: Agreed) -> None:
    """Say that somebody agreed."""
    text = agreed.text
    uow.publish(
        ConsentGiven(
            patient_id=agreed.patient_id, consent_id=new_id(), kind=text.kind, text_hash=text.hash,
            text_version=text.version, language=text.language, channel=agreed.channel,
        )
    )  # fmt: skip


def _task(newcomer: Newcomer, due: datetime) -> PatientTask:
    words = newcomer.contact.message
    return PatientTask(
        newcomer.uow, ANSWER_LEAD, newcomer.patient_id, "first", FRONT_DESK, deadline=due, detail=words
    )  # fmt: skip


def _row(newcomer: Newcomer, box: Box, due: datetime) -> Patient:
    contact = newcomer.contact
    details = Details(contact.name, contact.phone, contact.email, contact.date_of_birth)
    return Patient(
        id=newcomer.patient_id, channel=contact.channel, language=contact.language, zone=contact.zone,
        details=seal_details(box, details), answer_due=due, created_at=newcomer.uow.now,
    )  # fmt: skip


def _allowed(newcomer: Newcomer, opted_out: frozenset[bytes]) -> tuple[ConsentKind, ...]:
    stopped = newcomer.points.phone in opted_out
    return tuple(kind for kind in newcomer.contact.consents if not (stopped and kind is ConsentKind.SMS))


def _publish(
    newcomer: Newcomer, box: Box, key: WrappedKey, due: datetime, allowed: tuple[ConsentKind, ...], *, revoked: bool
) -> None:
    uow, contact, patient_id = newcomer.uow, newcomer.contact, newcomer.patient_id
    uow.publish(lead_created(box, contact, patient_id, key, due, allowed))
    if contact.date_of_birth is not None:
        born = box.seal(contact.date_of_birth.isoformat())
        uow.publish(LeadUpdated(patient_id=patient_id, changed=("date_of_birth",), date_of_birth=born))
    for kind in allowed:
        publish_consent(uow, agreed_to(uow, patient_id, kind, contact))
    if revoked:
        uow.publish(ConsentRevoked(patient_id=patient_id, kind=ConsentKind.SMS, channel=contact.channel))
