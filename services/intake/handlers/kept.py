"""What could not be understood is kept for a person, with its bytes and the reason; nothing is ever lost."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.intake.domain.contact import Contact
from services.intake.handlers import leads
from services.intake.handlers.newcomers import FRONT_DESK
from services.intake.repository import doors
from services.intake.repository.arrivals import Key
from services.intake.repository.doors import Kept
from shared.audit import audit
from shared.ids import new_id
from shared.tasks import close_task, raise_task
from shared.uow import UnitOfWork

UNREADABLE = "contact-unreadable"
SUSPECT = "contact-suspect"
LISTEN = "listen-voicemail"
DETAIL_LIMIT = 1_000
ROBOTS = UUID("8d7f2b5e-6c1a-4f0e-9a53-1f6f0c3b7d21")
"""The subject of the hourly look through what the form's trap caught."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A kept contact, opened for a person: `text` is what of it can be shown, `raw` its bytes in base64."""

    id: UUID
    door: str
    reason: str
    received_at: datetime
    text: str
    raw: str


class NotKept(Exception):
    """There is no such kept contact, or it was dealt with."""


async def keep(
    uow: UnitOfWork, raw: bytes, *, door: str, reason: str, fingerprint: bytes, text: str = "", task: str = UNREADABLE
) -> UUID | None:
    """Keep what came through a door; the very same thing delivered again is kept once, and None is given back.

    `reason` is a code, `text` what could be made out of the bytes, `task` what a person has to do with it.
    """
    kept_id = new_id()
    await uow.keys.create(kept_id)
    box = await uow.keys.box(kept_id)
    content = box.seal_json({"raw": base64.b64encode(raw).decode(), "text": text or _showable(raw)})
    if not await doors.keep(uow.conn, Kept(kept_id, door, reason, content, uow.now), fingerprint):
        await uow.keys.destroy(kept_id)
        return None
    if door == "trap":
        # One look an hour is enough for what a robot most likely wrote.
        await raise_task(
            uow, kind=SUSPECT, subject=ROBOTS, occurrence=f"{uow.now:%Y-%m-%dT%H}", role=FRONT_DESK, patient_id=None,
        )  # fmt: skip
        return kept_id
    await raise_task(
        uow, kind=task, subject=kept_id, occurrence="first", role=FRONT_DESK, patient_id=None,
        deadline=uow.clinic.answer_due(uow.now), detail=text[:DETAIL_LIMIT] or f"{door}: {reason}",
    )  # fmt: skip
    return kept_id


async def settle(uow: UnitOfWork, kept_id: UUID, *, outcome: str, patient_id: UUID) -> None:
    """What was missing came by itself: no person needs to look any more."""
    found = await doors.kept(uow.conn, kept_id, lock=True)
    if found is not None and found.resolved_at is None:
        await doors.resolve(uow.conn, kept_id, by=uow.actor, outcome=outcome, patient_id=patient_id, at=uow.now)
        await close_task(uow, kind=UNREADABLE, subject=kept_id, outcome=outcome)


async def waiting(uow: UnitOfWork, limit: int = 200) -> list[Unread]:
    """What waits for a person, oldest first."""
    found = await doors.open_kept(uow.conn, limit)
    await audit(uow, action="read", what="kept-contacts", subject=None, detail={"count": len(found)})
    return await _opened(uow, found)


async def one(uow: UnitOfWork, kept_id: UUID) -> Unread:
    """One that waits for a person; the reading is on record.

    Raises:
        NotKept: it is not there or was dealt with.
    """
    found = await doors.kept(uow.conn, kept_id)
    opened = [] if found is None or found.resolved_at is not None else await _opened(uow, [found])
    if not opened:
        raise NotKept
    await audit(uow, action="read", what="kept-contact", subject=None, detail={"kept": str(kept_id)})
    return opened[0]


async def _opened(uow: UnitOfWork, found: Sequence[Kept]) -> list[Unread]:
    boxes = await uow.keys.boxes([kept.id for kept in found])
    opened = []
    for kept in found:
        if kept.content is not None and kept.id in boxes:
            content = boxes[kept.id].open_json(kept.content)
            opened.append(
                Unread(kept.id, kept.door, kept.reason, kept.received_at, content["text"], content["raw"])
            )  # fmt: skip
    return opened


async def resolve(uow: UnitOfWork, kept_id: UUID, *, outcome: str, contact: Contact | None) -> leads.Accepted | None:
    """A person read it: `contact` is who they found in it, None where there is nobody to answer.

    Raises:
        NotKept: it is not there or was dealt with.
    """
    kept = await doors.kept(uow.conn, kept_id, lock=True)
    if kept is None or kept.resolved_at is not None:
        raise NotKept
    accepted = None
    if contact is not None:
        name = hashlib.sha256(kept_id.bytes).digest()
        accepted = await leads.accept(uow, contact, Key("kept", name, name))
    patient_id = None if accepted is None else accepted.patient_id
    await doors.resolve(uow.conn, kept_id, by=uow.actor, outcome=outcome, patient_id=patient_id, at=uow.now)
    for kind in (UNREADABLE, LISTEN):
        await close_task(uow, kind=kind, subject=kept_id, outcome=outcome)
    await audit(uow, action="write", what="kept-contact", subject=patient_id, detail={"kept": str(kept_id)})
    return accepted


def _showable(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").replace("\x00", "\ufffd")[:4_000]
