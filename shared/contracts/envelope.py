"""CloudEvents 1.0 in Kafka's binary binding: attributes are `ce_*` headers, the body is the event's JSON."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from shared.contracts.base import SOURCES, Source

Headers = list[tuple[str, bytes]]
CONTENT_TYPE = b"application/json"
SOURCE_PREFIX = "/passage/"
T = TypeVar("T")


class NotAnEvent(ValueError):
    """The record carries no envelope that can be read; the message names the attribute."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is true of an event besides its content. `sequence` counts 1, 2, 3 … per source and subject."""

    id: UUID
    type: str
    source: Source
    subject: UUID
    sequence: int
    time: datetime
    actor: str
    correlationid: UUID
    causationid: UUID | None = None
    traceparent: str | None = None

    @property
    def name(self) -> str:
        """The event's name without namespace and version: `LeadCreated`."""
        return self.type.split(".")[2]


def to_headers(envelope: Envelope) -> Headers:
    """Kafka headers of an event. Times are RFC 3339 in UTC."""
    headers: Headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(envelope.id).encode()),
        ("ce_type", envelope.type.encode()),
        ("ce_source", f"{SOURCE_PREFIX}{envelope.source}".encode()),
        ("ce_subject", str(envelope.subject).encode()),
        ("ce_sequence", str(envelope.sequence).encode()),
        ("ce_time", envelope.time.isoformat().encode()),
        ("ce_actor", envelope.actor.encode()),
        ("ce_correlationid", str(envelope.correlationid).encode()),
        ("content-type", CONTENT_TYPE),
    ]
    if envelope.causationid is not None:
        headers.append(("ce_causationid", str(envelope.causationid).encode()))
    if envelope.traceparent is not None:
        headers.append(("ce_traceparent", envelope.traceparent.encode()))
        headers.append(("traceparent", envelope.traceparent.encode()))
    return headers


def from_headers(headers: Iterable[tuple[str, bytes]]) -> Envelope:
    """Read an envelope.

    Raises:
        NotAnEvent: an attribute is missing or malformed; the message names it.
    """
    found = {name: value for name, value in headers if name.startswith("ce_")}

    def read(name: str, parse: Callable[[str], T]) -> T:
        raw = found.get(f"ce_{name}")
        if raw is None:
            raise NotAnEvent(f"ce_{name} is missing")
        try:
            return parse(raw.decode())
        except ValueError as error:
            raise NotAnEvent(f"ce_{name} cannot be read") from error

    def optional(name: str, parse: Callable[[str], T]) -> T | None:
        return read(name, parse) if f"ce_{name}" in found else None

    return Envelope(
        id=read("id", UUID),
        type=read("type", _type),
        source=read("source", _source),
        subject=read("subject", UUID),
        sequence=read("sequence", _sequence),
        time=read("time", _moment),
        actor=read("actor", str),
        correlationid=read("correlationid", UUID),
        causationid=optional("causationid", UUID),
        traceparent=optional("traceparent", str),
    )


def _type(value: str) -> str:
    if len(value.split(".")) != 4 or len(value) > 128:
        raise ValueError(value)
    return value


def _source(value: str) -> Source:
    name = value.removeprefix(SOURCE_PREFIX)
    for source in SOURCES:
        if source == name:
            return source
    raise ValueError(value)


def _sequence(value: str) -> int:
    number = int(value)
    if not 0 < number < 2**62:
        raise ValueError(value)
    return number


def _moment(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(value)
    return moment
