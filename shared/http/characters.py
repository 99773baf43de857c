"""Characters that no field may hold.

The promise: the character with code 0, which PostgreSQL can't store, is refused before a handler runs, with the
field's name, whatever the field's type.
"""

from collections.abc import Iterator
from typing import Any

from starlette.requests import Request

from shared.http.errors import REMEDIES
from shared.http.problems import FieldProblem, Invalid

MARKS = (b"\\u0000", b"%00", b"\x00")


async def refuse_nul(request: Request) -> None:
    """An app-wide dependency. Costs one search of the raw body where there is nothing to refuse."""
    if request.method in {"GET", "HEAD", "OPTIONS"}:
        return
    # body() keeps the bytes, so form() and a webhook's signature check can still read them.
    body = await request.body()
    if not any(mark in body for mark in MARKS):
        return
    names = [name for name, value in _texts(await _content(request)) if "\x00" in value or "\x00" in name]
    if names:
        raise Invalid(
            fields=[FieldProblem(_visible(n), "It holds a character with code 0.", REMEDIES["nul"]) for n in names]
        )


async def _content(request: Request) -> Any:
    kind = request.headers.get("content-type", "")
    if "json" in kind:
        try:
            return await request.json()
        except ValueError:
            return {}
    if kind.startswith(("application/x-www-form-urlencoded", "multipart/form-data")):
        form = await request.form()
        return {name: value for name, value in form.multi_items() if isinstance(value, str)}
    return {}


def _texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, f"{path}.{index}")


def _visible(name: str) -> str:
    return name.replace("\x00", "�")[:200]
