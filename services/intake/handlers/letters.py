"""A submission from Kafka: opened, read, accepted once; or kept for a person with the reason."""

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from services.intake.adapters.mailbox import Mailbox, Unopened
from services.intake.domain.contact import Contact, Unusable
from services.intake.handlers import kept, leads
from services.intake.reading import read
from services.intake.repository.arrivals import Key
from shared.contracts.intake import Channel
from shared.contracts.submissions import Submission
from shared.uow import UnitOfWork

QUEUE = "queue"


@dataclass(frozen=True, slots=True)
class Letter:
    """A record of the submissions topic: its place names it where its producer gave no key."""

    place: str
    key: bytes | None
    value: bytes

    @property
    def fingerprint(self) -> bytes:
        """The same for every delivery of this record, and for no other, even on a broker that began again at 0."""
        return hashlib.sha256(self.place.encode() + b"\0" + self.value).digest()


async def receive(uow: UnitOfWork, mailbox: Mailbox, letter: Letter) -> None:
    """Take a letter in. Never raises for what is in it."""
    content = b""
    try:
        content = mailbox.open(letter.value)
        contact, key = _read(uow, letter, content)
        await leads.accept(uow, contact, key)
    except Unopened as error:
        await _keep(uow, letter, str(error), letter.value)
    except ValidationError as error:
        await _keep(uow, letter, "invalid:" + ",".join(_fields(error)), content)
    except Unusable as error:
        await _keep(uow, letter, f"unusable:{error}", content)
    except leads.KeyReused:
        await _keep(uow, letter, "key-reused", content)


async def receive_strangers(uow: UnitOfWork, mailbox: Mailbox, letters: Sequence[Letter]) -> list[int]:
    """Take in those of many letters that can be read and are of people nobody knew; gives the places of the others,
    of which nothing was written: each has to be received by itself.
    """
    read: dict[int, leads.Arrival] = {}
    for place, letter in enumerate(letters):
        with contextlib.suppress(Unopened, ValidationError, Unusable):
            read[place] = leads.Arrival(*_read(uow, letter, mailbox.open(letter.value)), uow.actor)
    accepted = await leads.accept_strangers(uow, list(read.values()))
    taken = {place for place, answer in zip(read, accepted, strict=True) if answer is not None}
    return [place for place in range(len(letters)) if place not in taken]


def _read(uow: UnitOfWork, letter: Letter, content: bytes) -> tuple[Contact, Key]:
    submission = Submission.model_validate_json(content)
    name = hashlib.sha256(letter.key).digest() if letter.key else letter.fingerprint
    body = hashlib.sha256(submission.model_dump_json().encode()).digest()
    return read(submission, uow.clinic, uow.now, channel=Channel.QUEUE), Key(QUEUE, name, body)


async def _keep(uow: UnitOfWork, letter: Letter, reason: str, content: bytes) -> None:
    await kept.keep(uow, content, door=QUEUE, reason=reason[:200], fingerprint=letter.fingerprint)


def _fields(error: ValidationError) -> list[str]:
    # Names of fields we know; an unknown field's name is the sender's own text and stays sealed.
    known = set(Submission.model_fields)
    found = {str(part) for each in error.errors(include_input=False) for part in each["loc"][:1]}
    return sorted(name if name in known else "unknown-field" for name in found) or ["not-json"]
