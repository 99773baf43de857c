"""An AsyncAPI document as events: who reads each, what is in it, how it looks on the topic."""

import json
from dataclasses import dataclass
from typing import cast

from services.dashboard.reference.documents import asyncapi, schema
from services.dashboard.reference.fields import Field, fields
from shared.contracts.base import SOURCES, Source
from shared.contracts.readers import readers_of


@dataclass(frozen=True, slots=True)
class Told:
    """One event of a producer; `schema` is the name of its JSON Schema."""

    name: str
    type: str
    about: str
    readers: tuple[str, ...]
    fields: tuple[Field, ...]
    headers: str
    payload: str
    schema: str


@dataclass(frozen=True, slots=True)
class Channel:
    """A producer's topic and what travels on it."""

    topic: str
    partitions: int
    days: int
    headers: tuple[Field, ...]
    events: tuple[Told, ...]


def channel(source: str, prefix: str) -> Channel:
    """What a producer publishes; `prefix` stands before the topics of this stack.

    Raises:
        LookupError: it publishes nothing.
    """
    if source not in SOURCES:
        raise LookupError(source)
    document = asyncapi(source)
    told = document["channels"]["events"]
    kafka = told["bindings"]["kafka"]
    messages = document["components"]["messages"]
    return Channel(
        topic=prefix + told["address"],
        partitions=kafka["partitions"],
        days=kafka["topicConfiguration"]["retention.ms"] // 86_400_000,
        headers=tuple(fields(document["components"]["schemas"]["Headers"], document)),
        events=tuple(_event(source, messages[name]) for name in told["messages"]),
    )


def _event(source: Source, message: dict[str, object]) -> Told:
    type_ = str(message["name"])
    _, _, name, version = type_.split(".")
    payload = schema(source, f"{name}.{version}")
    [example] = cast("list[dict[str, object]]", message["examples"])
    return Told(
        name=name,
        type=type_,
        about=str(payload.get("description", "")),
        readers=tuple(readers_of(source, name)),
        fields=tuple(fields(payload, payload)),
        headers=json.dumps(example["headers"], indent=2, ensure_ascii=False),
        payload=json.dumps(example["payload"], indent=2, ensure_ascii=False),
        schema=f"{name}.{version}",
    )
