"""What surrounds every request, as pure ASGI so that streams stay streams.

The promise: every answer, also to what nobody foresaw, carries a request id and the security headers; a body over the
limit is refused while it arrives; a request is one span, one log line and one measurement. When too many wait for their
answer already, the next is told to come back, before anything of it is read.
"""

import re
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from urllib.parse import urlsplit

import structlog
from opentelemetry.trace import SpanKind
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.http import errors
from shared.http.problems import BadRequest, Problem, TooLarge, render
from shared.ids import new_id
from shared.settings import ServiceSettings
from shared.telemetry import metrics
from shared.telemetry.trace import span_from

log = structlog.get_logger()

REQUEST_ID = "x-request-id"
_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
QUIET = frozenset({"/live", "/ready", "/metrics"})
LASTING = "/assets/"


class Edge:
    """The outermost layer: request id, trace, log line, measurement, security headers, the last resort for errors."""

    def __init__(self, app: ASGIApp, *, headers: dict[str, str], at_once: int) -> None:
        self._app = app
        self._at_once = at_once
        self._waiting = 0
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _request_id(headers)
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=request_id)
        crowded = self._waiting >= self._at_once and scope["path"] not in QUIET
        answer = _Answer(scope, send, self._begun, [*self._headers, (REQUEST_ID.encode(), request_id.encode())])
        self._waiting += 1
        try:
            with span_from(headers.get("traceparent"), f"HTTP {scope['method']}", SpanKind.SERVER) as span:
                await self._answered(scope, receive, answer, crowded=crowded)
                span.set_attribute("http.response.status_code", answer.status)
                span.update_name(f"HTTP {scope['method']} {answer.route}")
        finally:
            if not answer.status:
                self._begun()
        answer.record()

    async def _answered(self, scope: Scope, receive: Receive, answer: "_Answer", *, crowded: bool) -> None:
        try:
            if _has_nul(scope):
                raise BadRequest("The address holds a character with code 0.", remedy="Remove it.")
            if crowded:
                raise errors.busy()
            await self._app(scope, receive, answer.send)
        except Exception as error:
            if answer.status:
                log.error("http.broken_off", exc_info=error)
                raise
            await render(Request(scope), _last_resort(error))(scope, receive, answer.send)

    def _begun(self) -> None:
        self._waiting -= 1


class _Answer:
    """Watches an answer go out, and adds what every answer has."""

    def __init__(self, scope: Scope, send: Send, begun: Callable[[], None], headers: list[tuple[bytes, bytes]]) -> None:
        self._scope = scope
        self._begun = begun
        self._send = send
        self._headers = headers
        self._began = time.perf_counter()
        self._seconds = 0.0
        self.status = 0

    @property
    def route(self) -> str:
        """The route's template: a path itself may hold a link's token."""
        path = getattr(self._scope.get("route"), "path", None)
        return path if isinstance(path, str) else "unmatched"

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if not self.status:
                self._begun()
            self.status = message["status"]
            self._seconds = time.perf_counter() - self._began
            given = message.setdefault("headers", [])
            names = {name for name, _ in given}
            given.extend(header for header in self._headers if header[0] not in names)
            if b"cache-control" not in names and not self._scope["path"].startswith(LASTING):
                given.append((b"cache-control", b"no-store"))
        await self._send(message)

    def record(self) -> None:
        metrics.HTTP_SECONDS.labels(self._scope["method"], self.route, str(self.status)).observe(self._seconds)
        if self._scope["path"] in QUIET or self._scope["path"].startswith(LASTING):
            return
        level = log.error if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR else log.info
        milliseconds = round(self._seconds * 1000, 1)
        level("http.request", method=self._scope["method"], route=self.route, status=self.status, ms=milliseconds)


class BodyLimit:
    """Refuses bodies over `limit` bytes: at once when the length is announced, else while counting."""

    def __init__(self, app: ASGIApp, *, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdecimal() or int(announced) > self._limit:
            refusal = TooLarge(remedy=f"Send at most {self._limit} bytes.")
            await render(Request(scope), errors.counted(refusal))(scope, receive, send)
            return
        await self._app(scope, self._counting(receive), send)

    def _counting(self, receive: Receive) -> Receive:
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                raise TooLarge(remedy=f"Send at most {self._limit} bytes.")
            return message

        return counted


def security_headers(settings: ServiceSettings, form_targets: Sequence[str] = ()) -> dict[str, str]:
    """The same for every answer. No inline script or style; forms and frames only among our own addresses."""
    # A form's redirect is checked against form-action too: signing in goes on to the dashboard, out to the issuer.
    targets = (*settings.urls.values(), settings.oidc_issuer, *form_targets)
    own = sorted({_origin(url) for url in targets if url})
    policy = {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'", *own],
        "frame-ancestors": list(settings.frame_ancestors) or ["'none'"],
    }
    headers = {
        "content-security-policy": "; ".join(f"{name} {' '.join(values)}" for name, values in policy.items()),
        "x-content-type-options": "nosniff",
        # Not no-referrer: browsers would then send `Origin: null` with our own forms.
        "referrer-policy": "same-origin",
        "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=()",
        "cross-origin-opener-policy": "same-origin",
    }
    if not settings.frame_ancestors:
        headers["x-frame-options"] = "DENY"
        headers["cross-origin-resource-policy"] = "same-origin"
    if settings.secure:
        headers["strict-transport-security"] = "max-age=31536000; includeSubDomains"
    return headers


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _request_id(headers: Headers) -> str:
    given = headers.get(REQUEST_ID, "")
    return given if _ID.fullmatch(given) else str(new_id())


def _has_nul(scope: Scope) -> bool:
    return "\x00" in scope["path"] or b"%00" in scope.get("query_string", b"")


def _last_resort(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return errors.counted(error)
    log.error("http.unexpected", exc_info=error)
    return errors.counted(errors.unexpected())
