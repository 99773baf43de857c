"""A JSON Schema as rows that a person reads: field, what it is, whether it must be there, what it says."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared.contracts.examples import resolved

Schema = Mapping[str, Any]
DEEPEST = 5
_FORMATS = {
    "uuid": "id (UUID)",
    "date-time": "moment (RFC 3339, with offset)",
    "date": "day (YYYY-MM-DD)",
    "time": "time of day",
}
_PATTERNS = {r"^s1\.": "sealed text", r"^[a-z]{2}$": "language (ISO 639-1)"}


@dataclass(frozen=True, slots=True)
class Field:
    """One row. `name` is the path with dots, `[]` after a list's name."""

    name: str
    kind: str
    required: bool
    about: str


def fields(schema: Schema, root: Schema) -> list[Field]:
    """Every field of an object, those of objects in it after it."""
    return list(_rows(schema, root, "", 0))


def kind(schema: Schema, root: Schema) -> str:
    """What a value is, in few words."""
    schema = resolved(schema, root)
    if choices := [one for one in schema.get("anyOf") or schema.get("oneOf") or () if one.get("type") != "null"]:
        return " or ".join(dict.fromkeys(kind(one, root) for one in choices))
    if "const" in schema:
        return f"always {schema['const']}"
    if "enum" in schema:
        return "one of " + ", ".join(str(value) for value in schema["enum"])
    match schema.get("type"):
        case "array":
            return f"list of {kind(schema.get('items', {}), root)}"
        case "string":
            return _text(schema)
        case "integer" | "number":
            return _bounds(schema, "number" if schema["type"] == "number" else "whole number")
        case "boolean":
            return "true or false"
        case "object" | None if schema.get("properties"):
            return "object"
        case _:
            return "any JSON"


def _text(schema: Schema) -> str:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    if schema.get("pattern") in _PATTERNS:
        return _PATTERNS[schema["pattern"]]
    longest = schema.get("maxLength")
    return f"text, at most {longest:,} characters" if longest else "text"


def _bounds(schema: Schema, word: str) -> str:
    lowest, highest = schema.get("minimum"), schema.get("maximum")
    if lowest is not None and highest is not None:
        return f"{word}, {lowest} to {highest}"
    return f"{word}, {lowest} or more" if lowest is not None else word


def _rows(schema: Schema, root: Schema, before: str, depth: int) -> Iterator[Field]:
    inner, path = _inside(schema, root, before)
    for name, value in inner.get("properties", {}).items():
        here = f"{path}{name}"
        told = resolved(value, root)
        about = str(value.get("description") or told.get("description") or "").partition("\n")[0]
        yield Field(here, kind(value, root), name in inner.get("required", ()), about)
        if depth < DEEPEST:
            yield from _rows(value, root, here, depth + 1)


def _inside(schema: Schema, root: Schema, before: str) -> tuple[Schema, str]:
    """The object in it: itself, the one that isn't null, or a list's; with the path of its fields."""
    schema, path = resolved(schema, root), before
    while True:
        if choices := [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]:
            schema = resolved(choices[0], root)
        elif schema.get("type") == "array":
            schema, path = resolved(schema.get("items", {}), root), f"{path}[]"
        else:
            return schema, f"{path}." if path else ""
