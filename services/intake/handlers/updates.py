"""Another system corrects what it knows of a patient: nobody got in touch, so nobody waits for an answer."""

from dataclasses import replace
from uuid import UUID

from services.intake.domain.contact import Contact, Learned, learn
from services.intake.handlers.leads import CONTACT_DIFFERS, points_of
from services.intake.handlers.newcomers import FRONT_DESK
from services.intake.handlers.numbers import heed_stop, moved_to
from services.intake.handlers.sealed import lead_updated, open_details, seal_details
from services.intake.repository import arrivals, patients
from shared.ids import new_id
from shared.tasks import raise_task
from shared.uow import UnitOfWork


async def learn_more(uow: UnitOfWork, patient_id: UUID, contact: Contact, *, occurrence: str) -> None:
    """Fill what was missing; what differs, or is somebody else's, is settled by a person."""
    patient = await patients.meant(uow.conn, patient_id, lock=True)
    if patient is None or patient.details is None:
        return
    patient_id = patient.id
    points = points_of(uow.lookup, contact)
    owners = await arrivals.owners(uow.conn, points)
    others = tuple(kind for kind, owner in owners.items() if owner != patient_id)
    box = await uow.keys.box(patient_id)
    known = open_details(box, patient.details)
    theirs = replace(
        contact,
        phone=None if "phone" in others else contact.phone,
        email=None if "email" in others else contact.email,
    )
    learned = learn(known, theirs, open_to_new=patient.arranged_at is None)
    if learned.changed:
        await _attach(uow, patient_id, points, learned)
        saved, changed = replace(patient, details=seal_details(box, learned.details)), learned.changed
        if "phone" in changed:
            await heed_stop(uow, patient_id, contact.phone, contact.channel)
            saved, moved = moved_to(uow, saved, contact.phone)
            changed += moved
        await patients.save_patient(uow.conn, saved, uow.now)
        uow.publish(lead_updated(box, saved, learned.details, changed))
    differs = (*learned.differs, *others)
    if differs:
        said = {"name": contact.name, "phone": contact.phone, "email": contact.email}
        await raise_task(
            uow, kind=CONTACT_DIFFERS, subject=patient_id, occurrence=occurrence, role=FRONT_DESK,
            patient_id=patient_id, detail="; ".join(f"{name}: {said[name]}" for name in differs),
        )  # fmt: skip


async def _attach(uow: UnitOfWork, patient_id: UUID, points: arrivals.Points, learned: Learned) -> None:
    for kind, value in (("email", points.email), ("phone", points.phone)):
        if kind in learned.changed and value is not None:
            await arrivals.give_point(uow.conn, kind, value, patient_id, from_=new_id())
