"""One shape of error: RFC 9457 problem+json that names the field and what to do, or a kind page for a person.

The promise: no answer ever carries what was typed, a stack or a query; every error has a `code` that never changes and
a `remedy` a person can follow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

MEDIA_TYPE = "application/problem+json"

_TEXT = {"type": "string"}
SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "type": "object",
    "required": ["type", "title", "status", "code"],
    "properties": {
        **dict.fromkeys(("type", "title", "code", "detail", "remedy", "instance"), _TEXT),
        "status": {"type": "integer"},
        "fields": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "message", "remedy"],
                "properties": dict.fromkeys(("name", "message", "remedy"), _TEXT),
            },
        },
    },
}
"""What an answer with an error status holds, for the description of an API."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one field. `name` is its path with dots."""

    name: str
    message: str
    remedy: str = ""


class Problem(HTTPException):
    """An error as the asker will see it. Raise it anywhere below an endpoint."""

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str = "",
        remedy: str = "",
        fields: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail or title, headers)
        self.status = status
        self.code = code
        self.title = title
        self.text = detail
        self.remedy = remedy
        self.fields = tuple(fields)

    def body(self, instance: str | None) -> dict[str, Any]:
        """The problem document."""
        body: dict[str, Any] = {
            "type": f"urn:passage:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
        }
        if self.text:
            body["detail"] = self.text
        if self.remedy:
            body["remedy"] = self.remedy
        if self.fields:
            body["fields"] = [{"name": f.name, "message": f.message, "remedy": f.remedy} for f in self.fields]
        if instance:
            body["instance"] = f"urn:passage:request:{instance}"
        return body


@dataclass(frozen=True, slots=True)
class _Kind:
    status: int
    code: str
    title: str
    remedy: str = field(default="")


class _Common(Problem):
    kind: _Kind

    def __init__(
        self,
        detail: str = "",
        *,
        code: str | None = None,
        title: str | None = None,
        remedy: str | None = None,
        fields: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        kind = self.kind
        text = kind.remedy if remedy is None else remedy
        super().__init__(kind.status, code or kind.code, title or kind.title, detail, text, fields, headers)


class BadRequest(_Common):
    kind = _Kind(400, "bad_request", "This request can't be understood", "Check what was sent and try again.")


class Unauthorized(_Common):
    kind = _Kind(401, "unauthorized", "Please sign in", "Sign in and try again.")


class Forbidden(_Common):
    kind = _Kind(403, "forbidden", "You may not do this", "Ask somebody whose role allows it.")


class NotFound(_Common):
    kind = _Kind(404, "not_found", "This is not here", "Check the address, or go back.")


class Conflict(_Common):
    kind = _Kind(409, "conflict", "Something changed meanwhile", "Reload, look at what is there now and decide again.")


class Gone(_Common):
    kind = _Kind(410, "gone", "This is over", "Call the clinic if you still need it.")


class TooLarge(_Common):
    kind = _Kind(413, "too_large", "This is too large", "Send less at once.")


class Invalid(_Common):
    kind = _Kind(422, "invalid", "Something needs another look", "Correct the fields that are named and send it again.")


class TooMany(_Common):
    kind = _Kind(429, "too_many", "That was a lot at once", "Wait a little and try again.")


class Unavailable(_Common):
    kind = _Kind(503, "unavailable", "This can't be done right now", "Try again in a minute.")


def wants_page(request: Request) -> bool:
    """Whether a person with a browser asks, rather than a program."""
    if request.url.path.startswith("/api/"):
        return False
    accept = request.headers.get("accept", "")
    return "text/html" in accept and "json" not in accept.split("text/html")[0]


def render(request: Request, problem: Problem) -> Response:
    """The answer that says so."""
    instance = getattr(request.state, "request_id", None)
    if not wants_page(request):
        return JSONResponse(
            problem.body(instance), problem.status, headers=dict(problem.headers or {}), media_type=MEDIA_TYPE
        )
    pages = getattr(request.app.state, "pages", None)
    if pages is not None:
        page: Response = pages.render(
            request, "problem.html", status=problem.status, problem=problem, instance=instance
        )
    else:
        page = HTMLResponse(_plain(problem), problem.status)
    page.headers.update(problem.headers or {})
    return page


def _plain(problem: Problem) -> str:
    lines = [problem.text, problem.remedy, *(f"{f.name}: {f.message}" for f in problem.fields)]
    body = "".join(f"<p>{escape(line)}</p>" for line in lines if line)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(problem.title)}</title>'
        f'<meta name="viewport" content="width=device-width"><h1>{escape(problem.title)}</h1>{body}</html>'
    )
