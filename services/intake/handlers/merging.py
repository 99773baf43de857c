"""Two records that turn out to be one person's, and what was joined by mistake taken apart again.

Nothing is copied and no id is rewritten: each record keeps its own details, consents and tasks, and the absorbed id
means the surviving patient. So taking them apart gives each back what is theirs.
"""

from dataclasses import replace
from typing import Literal
from uuid import UUID

from services.intake.domain.contact import Details
from services.intake.handlers.leads import POSSIBLE_DUPLICATE
from services.intake.handlers.numbers import heed_stop
from services.intake.handlers.people import UnknownPatient, heard_of
from services.intake.handlers.sealed import lead_updated, open_details, seal_details
from services.intake.repository import merges, patients
from services.intake.repository.patients import Patient
from shared.audit import audit
from shared.contracts.intake import Channel, LeadMerged, LeadUnmerged
from shared.tasks import close_task
from shared.uow import UnitOfWork

Why = Literal[
    "same-record", "other-unknown", "other-elsewhere", "merged-away", "other-has-others", "other-treated", "closed",
    "not-merged",
]  # fmt: skip


class Refused(Exception):
    """These two are not joined, or not taken apart; `why` is a code, `means` whom to look at instead, if anybody."""

    def __init__(self, why: Why, means: UUID | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.means = means


async def merge(uow: UnitOfWork, survivor_id: UUID, absorbed_id: UUID, reason: str) -> None:
    """A member of staff says that both are one person: `absorbed_id` means `survivor_id` from now on.

    Merging them again changes nothing. The absorbed one's addresses lead to the survivor; their consents do not, since
    a yes is about the address that was given with it. Nobody is joined to a third whom the front desk has not seen: who
    was merged before, and who has absorbed others, is refused.

    Raises:
        UnknownPatient: there is no such survivor, or they were erased.
        Refused
        NotHeard: whether the absorbed one was treated is not known here at the moment.
    """
    if survivor_id == absorbed_id:
        raise Refused("same-record")
    into = await merges.lock(uow.conn, survivor_id, absorbed_id)
    survivor = await patients.patient(uow.conn, survivor_id)
    absorbed = await patients.patient(uow.conn, absorbed_id)
    if survivor is None or survivor.erased_at is not None:
        raise UnknownPatient
    if absorbed is None or absorbed.erased_at is not None:
        raise Refused("other-unknown")
    if into[absorbed_id] == survivor_id:
        return
    await _may_be_joined(uow, survivor, absorbed)
    await merges.merge(uow.conn, absorbed_id, survivor_id, by=uow.actor, at=uow.now)
    for one, other in ((survivor_id, absorbed_id), (absorbed_id, survivor_id)):
        await close_task(uow, kind=POSSIBLE_DUPLICATE, subject=one, occurrence=str(other), outcome="merged")
    uow.publish(LeadMerged(patient_id=survivor_id, absorbed_id=absorbed_id, reason=reason))
    await _on_record(uow, "merge", survivor_id, absorbed_id)


async def unmerge(uow: UnitOfWork, survivor_id: UUID, absorbed_id: UUID, reason: str) -> None:
    """They are two people after all: each has their own addresses again. Taking them apart twice changes nothing.

    An address that the survivor got from the absorbed one is no longer theirs; a STOP that came meanwhile stands.

    Raises:
        UnknownPatient: one of them is not known, or was erased.
        Refused: the absorbed one is merged into somebody else.
    """
    into = await merges.lock(uow.conn, survivor_id, absorbed_id)
    survivor, known = await _opened(uow, survivor_id)
    _, theirs = await _opened(uow, absorbed_id)
    if into[absorbed_id] is None:
        return
    if into[absorbed_id] != survivor_id:
        raise Refused("not-merged", into[absorbed_id])
    back = await merges.unmerge(uow.conn, absorbed_id, at=uow.now)
    await heed_stop(uow, absorbed_id, theirs.phone, Channel.API)
    await _give_back(uow, survivor, known, back)
    uow.publish(LeadUnmerged(patient_id=survivor_id, absorbed_id=absorbed_id, reason=reason))
    await _on_record(uow, "unmerge", survivor_id, absorbed_id)


async def _may_be_joined(uow: UnitOfWork, survivor: Patient, absorbed: Patient) -> None:
    if absorbed.merged_into is not None:
        raise Refused("other-elsewhere", absorbed.merged_into)
    if survivor.merged_into is not None:
        raise Refused("merged-away", survivor.merged_into)
    if survivor.closed_at is not None:
        raise Refused("closed")
    if await merges.merged_into(uow.conn, absorbed.id):
        raise Refused("other-has-others")
    # A treated person's chart is kept by law as theirs, and what is ahead of them would be cancelled.
    await heard_of(uow, [absorbed.id])
    if absorbed.treated_at is not None:
        raise Refused("other-treated")


async def _give_back(uow: UnitOfWork, survivor: Patient, known: Details, back: set[tuple[str, bytes]]) -> None:
    """What the survivor is written to at is none of the addresses that went `back`: those are somebody else's."""
    values = {"email": known.email, "phone": known.phone}
    same = [kind for kind, value in values.items() if value and (kind, uow.lookup.hash(kind, value)) in back]
    if not same:
        return
    box = await uow.keys.box(survivor.id)
    details = replace(known, **dict.fromkeys(same))
    saved = replace(survivor, details=seal_details(box, details))
    await patients.save_patient(uow.conn, saved, uow.now)
    uow.publish(lead_updated(box, saved, details, tuple(same)))


async def _opened(uow: UnitOfWork, patient_id: UUID) -> tuple[Patient, Details]:
    patient = await patients.patient(uow.conn, patient_id)
    if patient is None or patient.details is None:
        raise UnknownPatient
    return patient, open_details(await uow.keys.box(patient_id), patient.details)


async def _on_record(uow: UnitOfWork, what: str, survivor_id: UUID, absorbed_id: UUID) -> None:
    detail = {"survivor": str(survivor_id), "absorbed": str(absorbed_id)}
    for one in sorted((survivor_id, absorbed_id)):
        await audit(uow, action="write", what=what, subject=one, detail=detail)
