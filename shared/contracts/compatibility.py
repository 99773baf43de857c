"""Whether a contract may change as it did: an older reader and an older writer must still be understood.

An older event is replayed for ever, so what it may contain must stay allowed; an older reader may still be running,
so what it relies on must stay there and it must not meet what it refuses. What remains: adding a field with a default.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]

_RISING = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_FALLING = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_SAME = ("pattern", "format", "uniqueItems", "multipleOf", "contentEncoding")
_REMEDY = "add a new field with a default, or publish a new version of the event"


@dataclass(frozen=True, slots=True)
class Break:
    """A change that somebody would not understand."""

    event: str
    field: str
    reason: str

    def __str__(self) -> str:
        place = f"{self.event}.{self.field}" if self.field else self.event
        return f"{place}: {self.reason}; {_REMEDY}"


def breaks(event: str, before: Schema, after: Schema) -> list[Break]:
    """What of a promised schema `before` does not hold in `after`. Both are JSON Schemas as pydantic writes them."""
    old, new = _Reader(before), _Reader(after)
    return [Break(event, field, reason) for field, reason in _compare("", old.open(before), new.open(after), old, new)]


class _Reader:
    """Follows `$ref` within one document and tells null apart from the rest of a type."""

    def __init__(self, document: Schema) -> None:
        self._definitions: Schema = document.get("$defs", {})

    def open(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            schema = self._definitions[schema["$ref"].removeprefix("#/$defs/")]
        others = schema.get("allOf", ())
        return self.open(others[0]) if len(others) == 1 and "type" not in schema else schema

    def split(self, schema: Schema) -> tuple[bool, list[Schema]]:
        """(may be null, the other alternatives)."""
        written: list[Schema] = schema.get("anyOf") or schema.get("oneOf") or [schema]
        choices = [self.open(choice) for choice in written]
        rest = [choice for choice in choices if choice.get("type") != "null"]
        return len(rest) < len(choices), rest


Found = Iterator[tuple[str, str]]


def _compare(field: str, before: Schema, after: Schema, old: _Reader, new: _Reader) -> Found:
    (was_null, olds), (is_null, news) = old.split(before), new.split(after)
    if was_null and not is_null:
        yield field, "no longer accepts null, which older events may hold"
    if is_null and not was_null:
        yield field, "may now be null, which older readers refuse"
    if len(olds) != len(news):
        yield field, f"has {len(news)} alternatives instead of {len(olds)}"
        return
    for one, other in zip(olds, news, strict=True):
        yield from _compare_one(field, one, other, old, new)


def _compare_one(field: str, before: Schema, after: Schema, old: _Reader, new: _Reader) -> Found:
    if before.get("type") != after.get("type"):
        yield field, f"changed its type from {before.get('type', 'any')} to {after.get('type', 'any')}"
        return
    yield from _values(field, before, after)
    yield from _limits(field, before, after)
    yield from _fields(field, before, after, old, new)
    for key in ("items", "additionalProperties"):
        one, other = before.get(key), after.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _compare(f"{field}[]", old.open(one), new.open(other), old, new)
        elif one != other:
            yield field, f"changed {key} from {one} to {other}"


def _values(field: str, before: Schema, after: Schema) -> Found:
    olds, news = _allowed(before), _allowed(after)
    if olds is None and news is None:
        return
    if olds is None or news is None:
        yield (
            field,
            "is now limited to a list of values" if olds is None else "is no longer limited to a list of values",
        )
        return
    if gone := [value for value in olds if value not in news]:
        yield field, f"no longer allows {_listed(gone)}, which older events may hold"
    if added := [value for value in news if value not in olds]:
        yield field, f"now allows {_listed(added)}, which older readers refuse"


def _limits(field: str, before: Schema, after: Schema) -> Found:
    for key in (*_RISING, *_FALLING, *_SAME):
        one, other = before.get(key), after.get(key)
        if one == other:
            continue
        if key in _SAME:
            yield field, f"changed {key} from {one} to {other}"
        elif one is None or (other is not None and (other > one) == (key in _RISING)):
            yield field, f"tightened {key} from {one} to {other}: older events may be refused"
        else:
            yield field, f"loosened {key} from {one} to {other}: older readers may refuse"


def _fields(field: str, before: Schema, after: Schema, old: _Reader, new: _Reader) -> Found:
    olds, news = before.get("properties", {}), after.get("properties", {})
    must, needs = set(before.get("required", ())), set(after.get("required", ()))
    for name, schema in olds.items():
        at = f"{field}.{name}" if field else name
        if name not in news:
            yield at, "was removed"
            continue
        if name in needs - must:
            yield at, "is now required, and older events may lack it"
        if name in must - needs:
            yield at, "is no longer required, and older readers rely on it"
        yield from _compare(at, old.open(schema), new.open(news[name]), old, new)
    for name in news:
        if name not in olds and name in needs:
            yield (f"{field}.{name}" if field else name), "is new and required: older events lack it"


def _allowed(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    found: list[Any] | None = schema.get("enum")
    return found


def _listed(values: list[Any]) -> str:
    return ", ".join(repr(value) for value in values)
