"""By what patients are found besides their names: keyed hashes, kept beside their facts.

The promise: what identifies a patient stands in no table readably; a number is found in any usual writing and by its
last digits, a birthday in any usual writing; who was merged into somebody is found as them.
"""

from datetime import date
from uuid import UUID

import structlog

from services.dashboard.domain.facts import Intake
from services.dashboard.domain.sought import Sought, ends_of
from services.dashboard.repository import findable
from shared.phones import e164
from shared.security.lookup import Lookup
from shared.security.sealing import Box, Unsealable
from shared.service import Service
from shared.uow import UnitOfWork

log = structlog.get_logger()
AT_ONCE = 500


def hashes(lookup: Lookup, box: Box, intake: Intake) -> set[bytes]:
    """By what this patient is found; nothing where the sealed words don't open."""
    try:
        contact = box.open_json(intake.contact) if intake.contact else {}
        born = box.open(intake.date_of_birth) if intake.date_of_birth else ""
    except Unsealable:
        log.warning("dashboard.unsealable")
        return set()
    found = {_end(lookup, end) for end in ends_of(str(contact.get("phone") or ""))}
    if email := str(contact.get("email") or ""):
        found.add(_email(lookup, email))
    if born:
        found.add(_birth(lookup, date.fromisoformat(born)))
    return found


async def index(uow: UnitOfWork, changed: dict[UUID, Intake]) -> None:
    """Keep by what these patients are found now, instead of what was kept before."""
    if not changed:
        return
    boxes = await uow.keys.boxes(changed)
    found = [
        (patient, hashed)
        for patient, intake in changed.items()
        if patient in boxes
        for hashed in sorted(hashes(uow.lookup, boxes[patient], intake))
    ]
    await findable.replace(uow.conn, changed, found)


async def index_all(service: Service) -> None:
    """The job that adds those whom a dashboard of before this table knows already; then it has nothing to do."""
    after = UUID(int=0)
    while True:
        async with service.transaction(actor="system:dashboard") as uow:
            facts = await findable.without(uow.conn, after, AT_ONCE)
            left = {patient: Intake.model_validate_json(told) for patient, told in facts.items()}
            await index(uow, left)
        if len(left) < AT_ONCE:
            return
        after = max(left)


async def find(uow: UnitOfWork, sought: Sought) -> set[UUID]:
    """Who has this number, address or birthday."""
    wanted = {_birth(uow.lookup, day) for day in sought.births}
    if sought.email:
        wanted.add(_email(uow.lookup, sought.email))
    if sought.end:
        whole = e164(sought.words, uow.clinic.country)
        ends = {sought.end, sought.end.removeprefix("00"), (whole or "").removeprefix("+")} - {""}
        wanted.update(_end(uow.lookup, end) for end in ends)
    return await findable.found(uow.conn, wanted)


def _end(lookup: Lookup, digits: str) -> bytes:
    return lookup.hash("phone-end", digits)


def _email(lookup: Lookup, address: str) -> bytes:
    return lookup.hash("email", address.lower())


def _birth(lookup: Lookup, day: date) -> bytes:
    return lookup.hash("birth", day.isoformat())
