"""One AsyncAPI 3 document per service: what it publishes and reads, topics, messages, headers; with Kafka bindings."""

from collections.abc import Iterable
from typing import Any

from shared.contracts.base import SOURCES, Event, Source
from shared.contracts.control import REPLAY_REQUESTED
from shared.contracts.examples import example
from shared.contracts.readers import READS, Reader, read_from
from shared.contracts.registry import EVENTS
from shared.contracts.topics import CONTROL, SUBMISSIONS, TOPICS, Topic, dead_letters_of, events_of

Document = dict[str, Any]
SERVICES: tuple[Reader, ...] = tuple(READS)
_BINDING = "0.5.0"
_TITLES: dict[Reader, str] = {
    "intake": "A contact through any channel becomes one patient, once.",
    "assessment": "What is known becomes a signed decision.",
    "scheduling": "A decision becomes booked people, rooms and times.",
    "notifications": "Every event a patient must hear of becomes a message, answered or escalated.",
    "dashboard": "Reads all events and owns no truth.",
}
_UUID: Document = {"type": "string", "format": "uuid"}


class _Parts:
    """The parts of a document while it is put together."""

    def __init__(self) -> None:
        self.channels: Document = {}
        self.operations: Document = {}
        self.messages: Document = {}

    def add(self, operation: str, action: str, channel: str, summary: str) -> None:
        """An operation on all messages of a channel."""
        self.operations[operation] = {
            "action": action,
            "channel": {"$ref": f"#/channels/{channel}"},
            "summary": summary,
        }

    def channel(self, name: str, topic: str, description: str, messages: Document) -> None:
        """A topic and what travels on it."""
        self.channels[name] = _channel(topic, description, messages)
        self.messages |= messages


def document(service: Reader) -> Document:
    """The AsyncAPI document of a service; payloads are the checked-in JSON Schemas beside it."""
    parts = _Parts()
    for source in SOURCES:
        if source == service:
            _publishes(parts, source)
    for source, events in read_from(service).items():
        name = f"{source}Events"
        parts.channel(name, events_of(source), f"What {source} publishes.", _messages(source, events))
        parts.add(f"read{source.capitalize()}", "receive", name, "Each applied once, in order per subject.")
    if service == "intake":
        submission = {"Submission": _submission()}
        parts.channel("submissions", SUBMISSIONS, "Enquiries of producers that prefer Kafka to HTTP.", submission)
        parts.add("readSubmissions", "receive", "submissions", "The record's key is the idempotency key.")
    _control(parts, relays=service in EVENTS)
    dead = f"Records that {service} could not use, sealed, with the reason."
    parts.channel("deadLetters", dead_letters_of(service), dead, {"DeadLetter": _dead_letter()})
    parts.add("writeDeadLetters", "send", "deadLetters", "For a person to look at, replay or drop.")
    return {
        "asyncapi": "3.0.0",
        "id": f"urn:passage:{service}",
        "info": {"title": f"Passage {service}", "version": "1", "description": _TITLES[service]},
        "defaultContentType": "application/json",
        "channels": parts.channels,
        "operations": parts.operations,
        "components": {"messages": parts.messages, "schemas": {"Headers": _headers()}},
    }


def _publishes(parts: _Parts, source: Source) -> None:
    messages = _messages(source, EVENTS[source])
    parts.channel("events", events_of(source), "What this service publishes, in order per subject.", messages)
    parts.add("publishEvents", "send", "events", "Published from the event log, at least once.")


def _control(parts: _Parts, *, relays: bool) -> None:
    asked = {
        "ReplayRequested": {
            "name": REPLAY_REQUESTED,
            "contentType": "application/json",
            "payload": {"$ref": "../schemas/control/ReplayRequested.v1.json"},
        }
    }
    parts.channel("control", CONTROL, "What consumers ask of relays.", asked)
    parts.add("requestReplay", "send", "control", "Asked of another service when one of its events is missing.")
    if relays:
        parts.add("readReplayRequests", "receive", "control", "A subject is published again, from a sequence on.")


def _messages(source: Source, events: Iterable[type[Event]]) -> Document:
    return {f"{source}.{event.__name__}": _message(source, event) for event in events}


def _channel(topic: str, description: str, messages: Document) -> Document:
    declared = next(one for one in TOPICS if one.name == topic)
    return {
        "address": topic,
        "description": description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {"kafka": _topic(declared)},
    }


def _topic(topic: Topic) -> Document:
    return {
        "topic": topic.name,
        "partitions": topic.partitions,
        "topicConfiguration": {"cleanup.policy": ["delete"], "retention.ms": topic.retention_ms},
        "bindingVersion": _BINDING,
    }


def _message(source: Source, event: type[Event]) -> Document:
    return {
        "name": event.type_from(source),
        "title": event.__name__,
        "summary": (event.__doc__ or "").strip().split("\n")[0],
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/Headers"},
        "payload": {"$ref": f"../schemas/{source}/{event.__name__}.v{event.VERSION}.json"},
        "bindings": {"kafka": {"key": {**_UUID, "description": "The subject."}, "bindingVersion": _BINDING}},
        "examples": [_example(source, event)],
    }


def _example(source: Source, event: type[Event]) -> Document:
    payload = example(event.model_json_schema())
    told = {"ce_type": event.type_from(source), "ce_source": f"/passage/{source}"}
    told["ce_subject"] = str(event.model_validate(payload).subject)
    return {"headers": example(_headers()) | told, "payload": payload}


def _submission() -> Document:
    return {
        "name": "Submission",
        "summary": "A JWE (compact) of this object to intake's public key, or plain JSON where the operator allows it.",
        "contentType": "application/jose",
        "payload": {"$ref": "../schemas/intake/Submission.v1.json"},
        "bindings": {"kafka": {"key": {"type": "string", "maxLength": 255}, "bindingVersion": _BINDING}},
    }


def _dead_letter() -> Document:
    return {
        "name": "DeadLetter",
        "summary": "The raw record, sealed with the clinic's key.",
        "contentType": "text/plain",
        "payload": {"type": "string"},
    }


def _headers() -> Document:
    """CloudEvents 1.0 in Kafka's binary binding."""
    texts = {
        "ce_specversion": {"const": "1.0"},
        "ce_id": {**_UUID, "description": "uuid7; the same in every repetition."},
        "ce_type": {"type": "string", "description": "passage.<source>.<Event>.v<major version>"},
        "ce_source": {"type": "string", "description": "/passage/<source>"},
        "ce_subject": {**_UUID, "description": "The patient, or the task or resource where no patient is known."},
        "ce_sequence": {
            "type": "string",
            "pattern": "^[1-9][0-9]*$",
            "description": "1, 2, 3 … without a gap per source and subject.",
        },
        "ce_time": {"type": "string", "format": "date-time"},
        "ce_actor": {
            "type": "string",
            "examples": ["patient"],
            "description": "Who did it, as staff:osei, patient or system:scheduling.",
        },
        "ce_correlationid": {**_UUID, "description": "The journey."},
        "ce_causationid": {**_UUID, "description": "The event that led here."},
        "ce_traceparent": {
            "type": "string",
            "description": "W3C trace context.",
            "examples": ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
        },
    }
    optional = {"ce_causationid", "ce_traceparent"}
    return {"type": "object", "properties": texts, "required": [name for name in texts if name not in optional]}
