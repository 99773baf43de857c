"""Characters that no field may hold.

The promise: the character with code 0, which PostgreSQL can't store, is refused before a handler runs, with the
field's name, whatever the field's type. Vendors' webhooks are let through: what is refused they don't send again, so
whoever takes them in drops it, or keeps it sealed.
"""

from collections.abc import Iterator
from typing import Any

from starlette.requests import Request

from shared.http.errors import REMEDIES
from shared.http.problems import FieldProblem, Invalid

MARKS = (b"\\u0000", b"\x00")
VENDORS = "/webhooks/"
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


async def refuse_nul(request: Request) -> None:
    """An app-wide dependency. What it reads stays readable: forms by `request.form()`, anything else by `body()`."""
    if request.method in {"GET", "HEAD", "OPTIONS"} or request.url.path.startswith(VENDORS):
        return
    if request.headers.get("content-type", "").startswith(FORMS):
        form = await request.form()
        names = [name for name, value in form.multi_items() if "\x00" in f"{name}{value}"]
    else:
        body = await request.body()
        if not any(mark in body for mark in MARKS):
            return
        names = [name for name, value in _texts(await _json(request)) if "\x00" in value]
    if names:
        said = "It holds a character with code 0."
        raise Invalid(fields=[FieldProblem(_visible(name), said, REMEDIES["nul"]) for name in names[:50]])


async def _json(request: Request) -> Any:
    try:
        return await request.json()
    except ValueError:
        return None  # whoever wanted JSON says so


def _texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield f"{path}.{key}" if path else key, key
            yield from _texts(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, f"{path}.{index}")


def _visible(name: str) -> str:
    return name.replace("\x00", "�")[:200]
