"""A contact becomes one patient, once: a new one, or more of one we know."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.intake.domain.contact import Contact, Details, Learned, learn, of_another
from services.intake.handlers.newcomers import (
    ANSWER_LEAD,
    FRONT_DESK,
    Newcomer,
    agreed_to,
    publish_consent,
    welcome,
)
from services.intake.handlers.numbers import heed_stop, moved_to, stands_still
from services.intake.handlers.sealed import lead_updated, open_details, seal_details
from services.intake.repository import arrivals, consents, patients
from services.intake.repository.arrivals import Key, Points
from services.intake.repository.patients import Patient
from shared.contracts.intake import ConsentKind, MessageReceived
from shared.ids import new_id
from shared.security.lookup import Lookup
from shared.security.sealing import Box
from shared.tasks import raise_task
from shared.uow import UnitOfWork

CONTACT_DIFFERS = "contact-differs"
POSSIBLE_DUPLICATE = "possible-duplicate"


@dataclass(frozen=True, slots=True)
class Accepted:
    """Whose contact it is and by when a person answers; the same for every repetition of its key."""

    patient_id: UUID
    answer_due: datetime


class KeyReused(Exception):
    """The key was used for other words before; nothing was kept of these."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A contact as it came through a door: under which key, by whom, in which trace."""

    contact: Contact
    key: Key
    actor: str
    traceparent: str | None = None


async def accept(uow: UnitOfWork, contact: Contact, key: Key) -> Accepted:
    """Take a contact in.

    Raises:
        KeyReused: something else was said under this key.
    """
    points, fresh = points_of(uow.lookup, contact), new_id()
    due = uow.clinic.answer_due(uow.now)
    claim = await arrivals.claim(uow.conn, key, fresh, points, due)
    if not claim.claimed:
        return await _answer_again(uow, key)
    known = [owner for owner in (claim.by_phone, claim.by_email) if owner not in (None, fresh)]
    if not known:
        await welcome(uow, [Newcomer(uow, fresh, contact, points)], due)
        return Accepted(fresh, due)
    owner = known[0]
    assert owner is not None
    patient = await patients.patient(uow.conn, owner, lock=True)
    assert patient is not None
    assert patient.details is not None
    known_as = open_details(await uow.keys.box(owner), patient.details)
    if patient.arranged_at is None and not of_another(known_as, contact):
        await _attach_new_points(uow, points, claim, owner, fresh)
    else:
        await arrivals.drop_points(uow.conn, fresh)
    if len(set(known)) > 1:
        accepted = await _add_to_known(uow, _without_email(contact), patient, key)
        await _ask_about_duplicate(uow, owner, known[1])
        return accepted
    return await _add_to_known(uow, contact, patient, key)


async def accept_strangers(uow: UnitOfWork, company: Sequence[Arrival]) -> list[Accepted | None]:
    """Take in those of many contacts that are certainly of people nobody knew, by a handful of statements for all.

    None for each that has to go through `accept` by itself: a known address, a used key, or the second of two
    in this very company; nothing of it was written.
    """
    due = uow.clinic.answer_due(uow.now)
    newcomers = {index: _newcomer(uow, company[index], points) for index, points in _distinct(uow.lookup, company)}
    wanted = {each.patient_id: (company[index].key, each.points) for index, each in newcomers.items()}
    new = await arrivals.claim_new(uow.conn, wanted, due)
    await welcome(uow, [each for each in newcomers.values() if each.patient_id in new], due)
    taken = {index: Accepted(each.patient_id, due) for index, each in newcomers.items() if each.patient_id in new}
    return [taken.get(index) for index in range(len(company))]


async def reach_again(uow: UnitOfWork, patient: Patient, box: Box, contact: Contact) -> tuple[Learned, datetime]:
    """A known person made contact: fill what was missing, reopen what was closed, say by when a person answers."""
    assert patient.details is not None
    known = open_details(box, patient.details)
    open_to_new = patient.arranged_at is None and not of_another(known, contact)
    learned = learn(known, contact, open_to_new=open_to_new)
    changed, reopened = learned.changed, ("reopened",) if patient.closed_at is not None else ()
    due = uow.clinic.answer_due(uow.now)
    saved = replace(patient, details=seal_details(box, learned.details), answer_due=due, closed_at=None)
    if "phone" in changed:
        await heed_stop(uow, patient.id, contact.phone, contact.channel)
        saved, moved = moved_to(uow, saved, contact.phone)
        changed += moved
    if open_to_new and contact.chosen and contact.language != patient.language:
        saved = replace(saved, language=contact.language)
        changed += ("language",)
    changed += reopened
    await patients.save_patient(uow.conn, saved, uow.now)
    uow.publish(lead_updated(box, saved, learned.details, changed or ("answer_due",), contact.channel, due))
    return learned, due


async def give_consents(
    uow: UnitOfWork, patient_id: UUID, kinds: tuple[ConsentKind, ...], contact: Contact, *, by_keyword: bool = False
) -> None:
    """Record what somebody agreed to, with the very words."""
    agreed = [agreed_to(uow, patient_id, kind, contact, by_keyword=by_keyword) for kind in kinds]
    await consents.give_consents(uow.conn, agreed, uow.now)
    for each in agreed:
        publish_consent(uow, each)


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


async def _add_to_known(uow: UnitOfWork, contact: Contact, patient: Patient, key: Key) -> Accepted:
    patient_id = patient.id
    box = await uow.keys.box(patient_id)
    learned, due = await reach_again(uow, patient, box, contact)
    await arrivals.record_answer(uow.conn, key, patient_id, due)
    await _new_consents(uow, patient_id, contact, learned.details)
    if contact.message is not None:
        uow.publish(
            MessageReceived(
                patient_id=patient_id, message_id=new_id(), channel=contact.channel, body=box.seal(contact.message),
                received_at=uow.now,
            )
        )  # fmt: skip
    await ask_for_answer(uow, patient_id, due, contact.message)
    if learned.differs:
        said = {"name": contact.name, "phone": contact.phone, "email": contact.email}
        said["date_of_birth"] = contact.date_of_birth.isoformat() if contact.date_of_birth is not None else None
        await raise_task(
            uow, kind=CONTACT_DIFFERS, subject=patient_id, occurrence=key.key.hex()[:32], role=FRONT_DESK,
            patient_id=patient_id, detail="; ".join(f"{name}: {said[name]}" for name in learned.differs),
        )  # fmt: skip
    return Accepted(patient_id, due)


async def _new_consents(uow: UnitOfWork, patient_id: UUID, contact: Contact, details: Details) -> None:
    if not contact.consents:
        return
    wanted = set(contact.consents) - await consents.consents(uow.conn, patient_id)
    # A yes is about the address that was given with it, and counts where that is the one we write to. A STOP stands
    # until the number itself writes START: whoever fills in a form may not be who holds the phone.
    if contact.phone != details.phone or await stands_still(uow, contact.phone):
        wanted.discard(ConsentKind.SMS)
    if contact.email != details.email:
        wanted.discard(ConsentKind.EMAIL)
    await give_consents(uow, patient_id, tuple(kind for kind in contact.consents if kind in wanted), contact)


def _without_email(contact: Contact) -> Contact:
    """It is somebody else's: what is meant for one would be read by the other, until a person has said who is who."""
    consents = tuple(kind for kind in contact.consents if kind is not ConsentKind.EMAIL)
    return replace(contact, email=None, consents=consents)


async def _attach_new_points(uow: UnitOfWork, points: Points, claim: arrivals.Claim, owner: UUID, fresh: UUID) -> None:
    if claim.by_phone == fresh and points.phone is not None:
        await arrivals.give_point(uow.conn, "phone", points.phone, owner, from_=fresh)
    if claim.by_email == fresh and points.email is not None:
        await arrivals.give_point(uow.conn, "email", points.email, owner, from_=fresh)


async def _ask_about_duplicate(uow: UnitOfWork, patient_id: UUID, other_id: UUID | None) -> None:
    await raise_task(
        uow, kind=POSSIBLE_DUPLICATE, subject=patient_id, occurrence=str(other_id), role=FRONT_DESK,
        patient_id=patient_id, detail=f"The phone is this patient's, the e-mail is that of patient {other_id}.",
    )  # fmt: skip


async def _answer_again(uow: UnitOfWork, key: Key) -> Accepted:
    answer = await arrivals.answered(uow.conn, key.producer, key.key)
    if answer is None or answer.body != key.body or answer.patient_id is None or answer.answer_due is None:
        raise KeyReused
    return Accepted(answer.patient_id, answer.answer_due)


def _newcomer(uow: UnitOfWork, arrival: Arrival, points: Points) -> Newcomer:
    own = replace(uow, actor=arrival.actor, journey=None, cause=None, traceparent=arrival.traceparent)
    return Newcomer(own, new_id(), arrival.contact, points)


def _distinct(lookup: Lookup, company: Sequence[Arrival]) -> Iterator[tuple[int, Points]]:
    seen: set[tuple[str, bytes]] = set()
    for index, arrival in enumerate(company):
        points = points_of(lookup, arrival.contact)
        names = {(arrival.key.producer, arrival.key.key), *zip(*points.columns(), strict=True)}
        if seen.isdisjoint(names):
            seen |= names
            yield index, points
