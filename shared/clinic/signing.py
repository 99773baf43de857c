"""What the medical director still has to sign: every proposed number, and every departure from a published one.

A signature names the value it was given for. When the value changes, the signature no longer counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import BaseModel

from shared.clinic.basis import Basis, Origin
from shared.clinic.part import Id, Part


class Signature(Part):
    """The medical director stands for this value."""

    value: Any
    by: Id
    on: date


@dataclass(frozen=True, slots=True)
class Open:
    """A value that nobody answers for yet. `key` is where it stands in the file."""

    key: str
    value: Any
    why: str

    def __str__(self) -> str:
        return f"{self.key} = {self.value}: {self.why}"


def needing_signature(policy: BaseModel) -> Iterator[Open]:
    """Every value of the policy that needs a signature, in the file's order, whether it has one or not."""
    yield from _walk(policy, "")


def still_open(policy: BaseModel, signatures: dict[str, Signature]) -> list[Open]:
    """What no signature covers, or only one for another value."""
    found: list[Open] = []
    for item in needing_signature(policy):
        signature = signatures.get(item.key)
        if signature is None:
            found.append(item)
        elif signature.value != item.value:
            found.append(Open(item.key, item.value, f"was signed as {signature.value}, then changed"))
    return found


def _walk(part: BaseModel, prefix: str) -> Iterator[Open]:
    if isinstance(basis := getattr(part, "basis", None), Basis):
        if basis.needs_sign_off:
            yield Open(prefix, _stated(part), _WHY[basis])
        return
    for name, field in type(part).model_fields.items():
        key = f"{prefix}.{field.alias or name}" if prefix else (field.alias or name)
        value = getattr(part, name)
        origin = next((mark for mark in field.metadata if isinstance(mark, Origin)), None)
        if value is None:
            continue
        if origin is not None:
            if origin.basis.needs_sign_off:
                yield Open(key, _plain(value), _WHY[origin.basis])
            elif value != field.default:
                yield Open(key, _plain(value), f"departs from {_plain(field.default)} ({origin.source})")
        else:
            yield from _inside(value, key)


def _inside(value: Any, key: str) -> Iterator[Open]:
    if isinstance(value, BaseModel):
        yield from _walk(value, key)
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _inside(one, f"{key}.{name}")
    elif isinstance(value, tuple):
        for one in value:
            if isinstance(one, BaseModel) and (code := getattr(one, "code", None)) is not None:
                yield from _walk(one, f"{key}.{code}")


def _stated(part: BaseModel) -> str:
    """What is signed of a rule, an instrument or a gate: the word that has consequences."""
    for name in ("severity", "override"):
        if (said := getattr(part, name, None)) is not None:
            return str(said)
    return ", ".join(f"{band.label} from {band.from_total}" for band in getattr(part, "bands", ()))


def _plain(value: Any) -> Any:
    """The value as the file writes it, so that a signature can name it."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return list(value) if isinstance(value, tuple) else value


_WHY = {Basis.PROPOSED: "proposed, without an authority behind it", Basis.UNCHECKED: "from memory, to be looked up"}
