"""CloudEvents 1.0 in Kafka's binary binding: attributes are `ce_*` headers, the body is the event's JSON."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from shared.contracts.base import SOURCES, Source

Headers = list[tuple[str, bytes]]
CONTENT_TYPE = b"application/json"
SOURCE_PREFIX = "/passage/"
_SOURCES = {source: f"{SOURCE_PREFIX}{source}".encode() for source in SOURCES}


class NotAnEvent(ValueError):
    """The record carries no envelope that can be read; the message names the attribute."""


class Envelope(NamedTuple):
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
    return written(
        id=str(envelope.id),
        type=envelope.type,
        source=envelope.source,
        subject=str(envelope.subject),
        sequence=envelope.sequence,
        time=envelope.time,
        actor=envelope.actor,
        correlationid=str(envelope.correlationid),
        causationid=None if envelope.causationid is None else str(envelope.causationid),
        traceparent=envelope.traceparent,
    )


def written(
    *,
    id: str,  # noqa: A002 - the attribute's name
    type: str,  # noqa: A002 - as above
    source: Source,
    subject: str,
    sequence: int,
    time: datetime,
    actor: str,
    correlationid: str,
    causationid: str | None,
    traceparent: str | None,
) -> Headers:
    """The headers from attributes whose ids are written out already. `time` is in UTC."""
    headers: Headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", id.encode()),
        ("ce_type", type.encode()),
        ("ce_source", _SOURCES[source]),
        ("ce_subject", subject.encode()),
        ("ce_sequence", b"%d" % sequence),
        ("ce_time", time.isoformat().encode()),
        ("ce_actor", actor.encode()),
        ("ce_correlationid", correlationid.encode()),
        ("content-type", CONTENT_TYPE),
    ]
    if causationid is not None:
        headers.append(("ce_causationid", causationid.encode()))
    if traceparent is not None:
        trace = traceparent.encode()
        headers.append(("ce_traceparent", trace))
        headers.append(("traceparent", trace))
    return headers


def from_headers(headers: Iterable[tuple[str, bytes]]) -> Envelope:
    """Read an envelope.

    Raises:
        NotAnEvent: an attribute is missing or malformed; the message names it.
    """
    found = dict(headers)
    try:
        cause, trace = found.get("ce_causationid"), found.get("ce_traceparent")
        return Envelope(
            UUID(found["ce_id"].decode()),
            _type(found["ce_type"].decode()),
            _source(found["ce_source"].decode()),
            _often(found["ce_subject"].decode()),
            _sequence(found["ce_sequence"].decode()),
            _moment(found["ce_time"].decode()),
            found["ce_actor"].decode(),
            _often(found["ce_correlationid"].decode()),
            None if cause is None else UUID(cause.decode()),
            None if trace is None else trace.decode(),
        )
    except (KeyError, ValueError) as error:
        raise NotAnEvent(_trouble(found)) from error


_often = lru_cache(8_192)(UUID)  # the same people and journeys come again and again; reading an id costs a microsecond


@lru_cache(1_024)
def _type(value: str) -> str:
    if len(value.split(".")) != 4 or len(value) > 128 or not value.isprintable():
        raise ValueError(value)
    return value


@lru_cache(64)
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


_PARSERS: dict[str, Callable[[str], object]] = {
    "id": UUID,
    "type": _type,
    "source": _source,
    "subject": UUID,
    "sequence": _sequence,
    "time": _moment,
    "actor": str,
    "correlationid": UUID,
    "causationid": UUID,
    "traceparent": str,
}
_OPTIONAL = frozenset({"causationid", "traceparent"})


def _trouble(found: Mapping[str, bytes]) -> str:
    """The first attribute that is not as it must be, and what is wrong with it."""
    for name, parse in _PARSERS.items():
        raw = found.get(f"ce_{name}")
        if raw is None:
            if name not in _OPTIONAL:
                return f"ce_{name} is missing"
            continue
        try:
            parse(raw.decode())
        except ValueError:
            return f"ce_{name} cannot be read"
    return "the headers cannot be read"
