"""An example of what a JSON Schema allows, for people who read it: one value for each field, always the same.

The promise: the schema accepts its example. Ids, moments and sealed words look like real ones and are nobody's.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zlib import crc32

Schema = Mapping[str, Any]

WELL_KNOWN: Mapping[str, Any] = {
    "patient_id": "0199d3a1-6f0e-7c52-9d1b-3e5a7c90b214",
    "name": "Jonah Reyes",
    "phone": "(303) 555-0148",
    "email": "jonah@example.com",
    "message": "My therapist told me about you. When could we talk?",
    "language": "en",
    "zone": "America/Denver",
    "campaign": "spring-newsletter",
    "kid": "k1",
    "key": "website-2026-03-09-0041",
    "actor": "staff:osei",
    "provider_id": "osei",
    "room_id": "room-1",
}
_SEALED = "s1.bm9ib2R5IGNhbiByZWFkIHRoaXM"
_DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_WORDS = ("example", "Example", _SEALED, _DIGEST, "en", "+13035550148", "16:30", "2026-03-09", "1", "A0", "0" * 22)
_START = datetime(2026, 3, 9, 16, 30, tzinfo=UTC)
_DEEPEST = 8


def example(schema: Schema, root: Schema | None = None, name: str = "", depth: int = 0) -> Any:
    """A value that fits `schema`; references are looked up in `root`, `name` is the field's.

    Raises:
        LookupError: no example is known for a form of text; add one to this module.
    """
    root = schema if root is None else root
    if "$ref" in schema:
        return example(resolved(schema, root), root, name, depth)
    for known in ("example", "const"):
        if known in schema:
            return schema[known]
    if schema.get("examples"):
        return schema["examples"][0]
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("default") not in (None, [], {}):
        return schema["default"]
    choices = [one for one in schema.get("anyOf") or schema.get("oneOf") or () if one.get("type") != "null"]
    if choices:
        return example(choices[0], root, name, depth)
    return _of_type(schema, root, name, depth)


def resolved(schema: Schema, root: Schema) -> Schema:
    """What a local reference leads to; the schema itself where it is none."""
    while "$ref" in schema:
        found: Any = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        schema = found
    return schema


def _of_type(schema: Schema, root: Schema, name: str, depth: int) -> Any:
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {}) if depth < _DEEPEST else {}
            return {key: example(value, root, key, depth + 1) for key, value in fields.items()}
        case "array":
            each = schema.get("prefixItems") or [schema.get("items", {})] * max(1, schema.get("minItems", 1))
            return [example(one, root, name, depth + 1) for one in each]
        case "boolean":
            return True
        case "integer" | "number":
            return _number(schema)
        case "string":
            return _text(schema, name)
        case _:
            return {}


def _number(schema: Schema) -> int | float:
    lowest = schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
    highest = schema.get("maximum", schema.get("exclusiveMaximum", lowest + 3) - 1)
    number: int | float = min(max(lowest, 2), highest)
    return number


def _text(schema: Schema, name: str) -> str:
    match schema.get("format"):
        case "uuid":
            return str(WELL_KNOWN.get(name, f"0199d3a1-7b2c-7e44-8a60-{crc32(name.encode()):012x}"))
        case "date-time":
            return f"{_START + timedelta(hours=1 if name.startswith(('end', 'until')) else 0):%Y-%m-%dT%H:%M:%SZ}"
        case "date":
            return f"{_START:%Y-%m-%d}"
        case "time":
            return "16:30:00"
        case "uri":
            return "https://clinic.example/"
        case "email":
            return str(WELL_KNOWN["email"])
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength", 10_000)
    for word in (str(WELL_KNOWN.get(name, "example")), *_WORDS):
        if shortest <= len(word) <= longest and re.search(schema.get("pattern", ""), word):
            return word
    raise LookupError(f"no example for {name!r}: {dict(schema)}")
