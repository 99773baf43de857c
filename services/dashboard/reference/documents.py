"""The documents as they are checked in beside the contracts: what a page shows and a program may fetch."""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from shared.contracts.base import SOURCES

Document = dict[str, Any]
_CONTRACTS = Path(str(files("shared.contracts")))


def services() -> list[str]:
    """Those that have an API, in the order of a patient's way; then the others."""
    found = sorted(file.stem for file in (_CONTRACTS / "openapi").glob("*.json"))
    return sorted(found, key=(*SOURCES, *found).index)


@cache
def openapi(service: str) -> Document:
    """A service's HTTP API.

    Raises:
        LookupError: there is no such service, or it has none.
    """
    return _read("openapi", service)


@cache
def asyncapi(service: str) -> Document:
    """What a service publishes and reads.

    Raises:
        LookupError: there is no such service, or it does neither.
    """
    return _read("asyncapi", service)


@cache
def schema(source: str, name: str) -> Document:
    """The JSON Schema of an event's payload, `LeadCreated.v1`.

    Raises:
        LookupError: there is none of this name.
    """
    return _read("schemas", source, name)


def _read(*names: str) -> Document:
    file = _CONTRACTS.joinpath(*names).with_name(f"{names[-1]}.json")
    if not all(name.replace(".", "").isalnum() for name in names) or not file.is_file():
        raise LookupError("/".join(names))
    document: Document = json.loads(file.read_text(encoding="utf-8"))
    return document
