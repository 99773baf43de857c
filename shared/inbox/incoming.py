"""Kafka records read as events, or as something that never will be one."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from aiokafka import ConsumerRecord
from pydantic import ValidationError

from shared.consuming import Consumes, Record
from shared.contracts.base import Event
from shared.contracts.envelope import Envelope, from_headers
from shared.errors import Permanent
from shared.inbox.positions import NUMBER, Parked


@dataclass(slots=True)
class Incoming:
    """An event on its way in. `event` is None for a type that this service does not handle: it moves the position."""

    envelope: Envelope
    record: Record
    event: Event | None = None
    key: tuple[int, UUID] = field(init=False)

    def __post_init__(self) -> None:
        self.key = (NUMBER[self.envelope.source], self.envelope.subject)

    def parked(self, reason: str) -> Parked:
        """The same, to be kept in the table."""
        return Parked(
            *self.key,
            self.envelope.sequence,
            reason,
            json.dumps([[name, value.decode("utf-8", "replace")] for name, value in self.record.headers]),
            self.record.value,
        )


def record_of(raw: ConsumerRecord, topic: str) -> Record:
    """A record under the topic's declared name, without the stack's prefix."""
    return Record(topic, raw.partition, raw.offset, raw.key, raw.value or b"", tuple(raw.headers))


def read(record: Record) -> Incoming:
    """The envelope; the content is read by `validate` so that a bad body can still be placed in its sequence.

    Raises:
        NotAnEvent: no usable envelope.
    """
    return Incoming(from_headers(record.headers), record)


def validate(incoming: Incoming, consumes: Consumes) -> None:
    """Read the content of an event that this service handles.

    Raises:
        Permanent: it breaks its contract; the message names the fields, never their values.
    """
    model = consumes.model(incoming.envelope.type)
    if model is None:
        return
    try:
        event = model.model_validate_json(incoming.record.value)
    except ValidationError as error:
        fields = ", ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'body'}: {problem['type']}"
            for problem in error.errors(include_input=False, include_url=False, include_context=False)
        )
        raise Permanent(f"breaks its contract: {fields[:500]}") from None
    if event.subject != incoming.envelope.subject:
        raise Permanent("breaks its contract: ce_subject is not the subject of the body")
    incoming.event = event


def from_parked(parked: Parked, topic: str) -> Incoming:
    """A parked event, as it came."""
    headers: Sequence[tuple[str, bytes]] = [(name, value.encode()) for name, value in json.loads(parked.headers)]
    return read(Record(topic, -1, -1, str(parked.subject).encode(), parked.body, tuple(headers)))
