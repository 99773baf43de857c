"""One AsyncAPI 3 document per publishing service: its topic, its messages, their headers; with Kafka bindings."""

from collections.abc import Iterable
from typing import Any

from shared.contracts.base import Event, Source
from shared.contracts.control import REPLAY_REQUESTED
from shared.contracts.registry import EVENTS
from shared.contracts.topics import CONTROL, SUBMISSIONS, TOPICS, Topic, events_of

Document = dict[str, Any]
_BINDING = "0.5.0"
_TITLES: dict[Source, str] = {
    "intake": "A contact through any channel becomes one patient, once.",
    "assessment": "What is known becomes a signed decision.",
    "scheduling": "A decision becomes booked people, rooms and times.",
    "notifications": "Every event a patient must hear of becomes a message, answered or escalated.",
}
_UUID: Document = {"type": "string", "format": "uuid"}


def document(source: Source) -> Document:
    """The AsyncAPI document of a service; payloads are the checked-in JSON Schemas beside it."""
    events = EVENTS[source]
    channels = {
        "events": _channel(
            events_of(source), "What this service publishes, in order per subject.", (e.__name__ for e in events)
        )
    }
    operations = {"publishEvents": _operation("send", "events", "Published from the event log, at least once.")}
    messages = {event.__name__: _message(source, event) for event in events}
    channels["control"] = _channel(CONTROL, "What consumers ask of relays.", ["ReplayRequested"])
    operations["receiveReplayRequests"] = _operation(
        "receive", "control", "A subject is published again, from a sequence on."
    )
    operations["requestReplay"] = _operation(
        "send", "control", "Asked of another service when one of its events is missing."
    )
    messages["ReplayRequested"] = {
        "name": REPLAY_REQUESTED,
        "contentType": "application/json",
        "payload": {"$ref": "../schemas/control/ReplayRequested.v1.json"},
    }
    if source == "intake":
        channels["submissions"] = _channel(
            SUBMISSIONS, "Enquiries of producers that prefer Kafka to HTTP.", ["Submission"]
        )
        operations["receiveSubmissions"] = _operation(
            "receive", "submissions", "The record's key is the idempotency key."
        )
        messages["Submission"] = _submission()
    return {
        "asyncapi": "3.0.0",
        "id": f"urn:passage:{source}",
        "info": {"title": f"Passage {source}", "version": "1", "description": _TITLES[source]},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": {"Headers": _headers()}},
    }


def _channel(topic: str, description: str, messages: Iterable[str]) -> Document:
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


def _operation(action: str, channel: str, summary: str) -> Document:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}


def _message(source: Source, event: type[Event]) -> Document:
    return {
        "name": event.type_from(source),
        "title": event.__name__,
        "summary": (event.__doc__ or "").strip().split("\n")[0],
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/Headers"},
        "payload": {"$ref": f"../schemas/{source}/{event.__name__}.v{event.VERSION}.json"},
        "bindings": {"kafka": {"key": {**_UUID, "description": "The subject."}, "bindingVersion": _BINDING}},
    }


def _submission() -> Document:
    return {
        "name": "Submission",
        "summary": "A JWE (compact) of this object to intake's public key, or plain JSON where the operator allows it.",
        "contentType": "application/jose",
        "payload": {"$ref": "../schemas/intake/Submission.v1.json"},
        "bindings": {"kafka": {"key": {"type": "string", "maxLength": 255}, "bindingVersion": _BINDING}},
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
        "ce_actor": {"type": "string", "description": "Who did it, as staff:osei, patient or system:scheduling."},
        "ce_correlationid": {**_UUID, "description": "The journey."},
        "ce_causationid": {**_UUID, "description": "The event that led here."},
        "ce_traceparent": {"type": "string", "description": "W3C trace context."},
    }
    optional = {"ce_causationid", "ce_traceparent"}
    return {"type": "object", "properties": texts, "required": [name for name in texts if name not in optional]}
