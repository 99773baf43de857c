"""What staff do with a patient that intake knows: read, correct, stop texts or e-mails, close, erase.

The id of somebody who was merged into another means that other one, here as everywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from services.intake.domain.contact import Details, Unusable, Wrong
from services.intake.handlers.newcomers import ANSWER_LEAD
from services.intake.handlers.numbers import heed_stop, moved_to, opt_out, stands_still
from services.intake.handlers.sealed import lead_updated, open_details, seal_details
from services.intake.repository import arrivals, consents, doors, merges, patients, vagaro
from services.intake.repository.arrivals import Points
from services.intake.repository.merges import Merged
from services.intake.repository.patients import Patient
from shared.audit import audit
from shared.contracts.intake import Channel, ConsentKind, ConsentRevoked, LeadClosed, PatientErased
from shared.ids import new_id
from shared.inbox.hearing import heard_within, waits
from shared.tasks import close_task, close_tasks_of
from shared.uow import UnitOfWork

OPT_OUT_DOUBT = "opt-out-doubt"


class UnknownPatient(Exception):
    """There is no such patient, or they were erased."""


class AddressTaken(Exception):
    """`field` names an address that another patient is known by."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


class Locked(Exception):
    """A treated patient's chart stands until `until`."""

    def __init__(self, until: datetime) -> None:
        super().__init__(until.isoformat())
        self.until = until


class NotHeard(Exception):
    """Something that scheduling said of this patient may not have arrived."""


FRESH_SECONDS = 5.0
"""How old scheduling's news may be when a patient is erased."""


@dataclass(frozen=True, slots=True)
class Person:
    """A patient's row with the details opened."""

    patient: Patient
    details: Details
    consents: frozenset[ConsentKind]
    opted_out: bool
    merged: tuple[tuple[Merged, Details], ...] = ()
    """Who was merged into them, each with their own details."""


async def read(uow: UnitOfWork, patient_id: UUID) -> Person:
    """The contact details, for a member of staff; the reading is on record.

    Raises:
        UnknownPatient
    """
    patient, details = await _open(uow, patient_id)
    given = await consents.consents(uow.conn, patient.id)
    opted_out = await stands_still(uow, details.phone)
    merged = [(one, await _own_details(uow, one.patient_id)) for one in await merges.merged_into(uow.conn, patient.id)]
    await audit(uow, action="read", what="contact", subject=patient.id)
    return Person(patient, details, given, opted_out, tuple(merged))


async def correct(
    uow: UnitOfWork, patient_id: UUID, new: Details, changed: tuple[str, ...], language: str | None = None
) -> None:
    """A member of staff corrects what `changed` names; None empties a field. `language`: what they are spoken to in.

    Raises:
        UnknownPatient
        AddressTaken: somebody else is known by the new phone or e-mail.
        Unusable: nothing would be left by which they can be reached.
    """
    patient, known = await _open(uow, patient_id, lock=True)
    patient_id = patient.id
    values = {name: getattr(new, name) for name in changed if getattr(new, name) != getattr(known, name)}
    spoken = language or patient.language
    if not values and spoken == patient.language:
        return
    details = replace(known, **values)
    if (known.phone or known.email) and not (details.phone or details.email):
        raise Unusable((Wrong("phone", "missing"),))
    for kind in ("email", "phone"):
        if kind in values:
            await _move_point(uow, patient_id, kind, values[kind])
    box = await uow.keys.box(patient_id)
    saved = replace(patient, details=seal_details(box, details), language=spoken)
    written = named = (*values, "language") if spoken != patient.language else tuple(values)
    if values.get("phone"):
        await heed_stop(uow, patient_id, details.phone, Channel.API)
        saved, moved = moved_to(uow, saved, details.phone)
        named += moved
    await patients.save_patient(uow.conn, saved, uow.now)
    uow.publish(lead_updated(box, saved, details, named))
    await audit(uow, action="write", what="contact", subject=patient_id, detail={"changed": sorted(written)})


async def stop(uow: UnitOfWork, patient_id: UUID, kind: ConsentKind) -> None:
    """They said in words of their own that they want no texts, or no e-mails: effective at once, as if by keyword.

    Source: FCC, in force since 11 Apr 2025: any reasonable manner of asking counts.

    Raises:
        UnknownPatient
    """
    patient, _ = await _open(uow, patient_id, lock=True)
    # It is the person who asked: it holds for each record that is theirs, should these be taken apart again.
    for one in (patient.id, *(merged.patient_id for merged in await merges.merged_into(uow.conn, patient.id))):
        phone = (await _own_details(uow, one)).phone
        if kind is ConsentKind.SMS and phone is not None:
            await opt_out(uow, uow.lookup.hash("phone", phone))
        await consents.revoke_consent(uow.conn, one, kind, Channel.API, uow.now)
        uow.publish(ConsentRevoked(patient_id=one, kind=kind, channel=Channel.API))
        if kind is ConsentKind.SMS:
            await close_task(uow, kind=OPT_OUT_DOUBT, subject=one, outcome="opted-out")
    await audit(uow, action="write", what="opt-out", subject=patient.id, detail={"kind": kind.value})


async def close(uow: UnitOfWork, patient_id: UUID, reason: str) -> None:
    """The clinic follows this contact no further; a new contact reopens it. Closing twice changes nothing.

    Raises:
        UnknownPatient
    """
    patient = await patients.meant(uow.conn, patient_id, lock=True)
    if patient is None or patient.erased_at is not None:
        raise UnknownPatient
    if patient.closed_at is not None:
        return
    await patients.save_patient(uow.conn, replace(patient, closed_at=uow.now), uow.now)
    uow.publish(LeadClosed(patient_id=patient.id, reason=reason))
    await _answered(uow, patient.id, "lead-closed")
    await audit(uow, action="write", what="lead-closed", subject=patient.id)


async def erase(uow: UnitOfWork, patient_id: UUID, *, retention_years: int) -> None:
    """Forget a person everywhere: their key goes, here and with PatientErased in every service.

    Who was merged into them goes with them, by a PatientErased of their own: services keep what is theirs by id.

    Raises:
        UnknownPatient
        Locked: they were treated, and the law keeps the chart.
        NotHeard: whether they were treated is not known here at the moment; what is erased does not come back.
    """
    await vagaro.one_at_a_time(uow.conn)
    # Addresses first, as every contact takes them first: who erases waits for who is just writing, and never both ways.
    patient_id = await merges.meant(uow.conn, patient_id)
    await arrivals.drop_points(uow.conn, patient_id)
    patient = await patients.meant(uow.conn, patient_id, lock=True)
    if patient is None or patient.erased_at is not None:
        raise UnknownPatient
    # Nobody is merged into them any more: that takes the row that is held here.
    family = [patient.id, *(one.patient_id for one in await merges.merged_into(uow.conn, patient.id))]
    if patient.treated_at is not None:
        until = _years_after(patient.treated_at, retention_years)
        if uow.now < until:
            raise Locked(until)
    await heard_of(uow, family)
    for one in family:
        await _forget(uow, one)


async def _forget(uow: UnitOfWork, patient_id: UUID) -> None:
    await patients.erase_patient(uow.conn, patient_id, uow.now)
    also = (*await vagaro.forget_patient(uow.conn, patient_id), *await doors.forget_patient(uow.conn, patient_id))
    for subject in (patient_id, *also):
        await uow.keys.destroy(subject)
    await patients.blank_keys(uow.conn, (patient_id, *also))
    await close_tasks_of(uow, patient_id, outcome="erased")
    uow.publish(PatientErased(patient_id=patient_id, requested_at=uow.now, also=also))
    await audit(uow, action="erase", what="patient", subject=patient_id)


async def arranged(uow: UnitOfWork, patient_id: UUID) -> None:
    """A first appointment stands: the contact is answered, and public doors no longer change where we write to."""
    await patients.mark_arranged(uow.conn, patient_id, uow.now)
    await _answered(uow, await merges.meant(uow.conn, patient_id), "consultation-booked")


async def treated(uow: UnitOfWork, patient_id: UUID, at: datetime) -> None:
    """A dose was given: the chart is kept for as long as the law says."""
    await patients.mark_treated(uow.conn, patient_id, at)


async def heard_of(uow: UnitOfWork, them: Sequence[UUID]) -> None:
    """What scheduling said of these patients is known here.

    Raises:
        NotHeard: something of it waits to be applied, or may still be on its way.
    """
    if await waits(uow.conn, "scheduling", them) or not await heard_within(uow.conn, "scheduling", them, FRESH_SECONDS):
        raise NotHeard


async def _answered(uow: UnitOfWork, patient_id: UUID, outcome: str) -> None:
    """They are answered, under whichever of their ids somebody was to do it."""
    for one in (patient_id, *(merged.patient_id for merged in await merges.merged_into(uow.conn, patient_id))):
        await close_task(uow, kind=ANSWER_LEAD, subject=one, outcome=outcome)


async def _own_details(uow: UnitOfWork, patient_id: UUID) -> Details:
    """What a record says by itself, also one that was merged into another."""
    patient = await patients.patient(uow.conn, patient_id)
    assert patient is not None
    assert patient.details is not None
    return open_details(await uow.keys.box(patient_id), patient.details)


async def _open(uow: UnitOfWork, patient_id: UUID, *, lock: bool = False) -> tuple[Patient, Details]:
    patient = await patients.meant(uow.conn, patient_id, lock=lock)
    if patient is None or patient.details is None:
        raise UnknownPatient
    return patient, open_details(await uow.keys.box(patient.id), patient.details)


async def _move_point(uow: UnitOfWork, patient_id: UUID, kind: str, value: str | None) -> None:
    await arrivals.drop_own_points(uow.conn, patient_id, kind)
    if value is None:
        return
    hashed = uow.lookup.hash(kind, value)
    claimed = Points(phone=hashed if kind == "phone" else None, email=hashed if kind == "email" else None)
    await arrivals.give_point(uow.conn, kind, hashed, patient_id, from_=new_id())
    if (await arrivals.owners(uow.conn, claimed)).get(kind) != patient_id:
        raise AddressTaken(kind)


def _years_after(moment: datetime, years: int) -> datetime:
    day = moment.astimezone(UTC)
    try:
        return day.replace(year=day.year + years)
    except ValueError:  # 29 February
        return day.replace(year=day.year + years, month=3, day=1)
