"""Which problem an exception is, and the handlers that say so."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from shared.db.pool import DatabaseAway, DatabaseBusy
from shared.http.problems import (
    BadRequest,
    Conflict,
    FieldProblem,
    Gone,
    Invalid,
    NotFound,
    Problem,
    TooLarge,
    Unavailable,
    render,
)
from shared.security.keys import KeyErased, KeyMissing
from shared.telemetry import metrics

log = structlog.get_logger()

REMEDIES: Mapping[str, str] = {
    "missing": "Add this field.",
    "extra_forbidden": "Leave this field out.",
    "json_invalid": "Send well-formed JSON.",
    "string_too_short": "Write a little more.",
    "string_too_long": "Write less.",
    "string_pattern_mismatch": "Write it in the form that is asked for.",
    "enum": "Choose one of the values that are offered.",
    "literal_error": "Choose one of the values that are offered.",
    "uuid_parsing": "Use the id as it was given to you.",
    "datetime_from_date_parsing": "Write it like 2026-03-08T09:30:00-07:00.",
    "datetime_parsing": "Write it like 2026-03-08T09:30:00-07:00.",
    "timezone_aware": "Add the offset, like 2026-03-08T09:30:00-07:00.",
    "date_from_datetime_parsing": "Write it like 2026-03-08.",
    "date_parsing": "Write it like 2026-03-08.",
    "nul": "Remove the character with code 0.",
}
# What a database says, or doesn't say, that has too much to do.
SLOW = (
    DatabaseBusy,
    TimeoutError,
    asyncpg.QueryCanceledError,
    asyncpg.TransactionTimeoutError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InvalidCachedStatementError,  # a migration came between; the statement is prepared anew
)
# A connection that ends is told by whatever its client was doing just then.
AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,  # a full disk, no memory, too many connections
    asyncpg.PostgresSystemError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    DatabaseAway,
)
# Raised by our own validators: their sentence is taken without pydantic's "Value error, " before it.
OURS = ("value_error", "assertion_error")


def invalid(errors: Sequence[Any]) -> Invalid:
    """Pydantic's errors as a problem; what was typed is not repeated."""
    return Invalid(fields=[_field(error) for error in errors[:50]])


def _field(error: Mapping[str, Any]) -> FieldProblem:
    kind = str(error["type"])
    place = [str(part) for part in error["loc"]]
    if len(place) > 1 and place[0] in {"body", "query", "path", "header", "cookie"}:
        place = place[1:]
    remedy = REMEDIES.get(kind, "Correct this field.")
    if kind == "json_invalid":
        return FieldProblem("body", "This is not JSON.", remedy)
    message = str(error["msg"])
    if kind in OURS:
        message = str(error.get("ctx", {}).get("error", message))
    return FieldProblem(".".join(place), message, remedy)


async def on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return render(request, counted(invalid(error.errors())))


async def on_http(request: Request, error: Exception) -> Response:
    """Problems as they are; the framework's own refusals put into the same shape."""
    assert isinstance(error, HTTPException)
    return render(request, counted(error if isinstance(error, Problem) else _from_framework(error)))


def _from_framework(error: HTTPException) -> Problem:
    headers = error.headers
    match error.status_code:
        case 404:
            return NotFound("There is nothing at this address.")
        case 405:
            allowed = (headers or {}).get("allow") or (headers or {}).get("Allow", "")
            return Problem(
                405,
                "method_not_allowed",
                "This address doesn't take that method",
                remedy=f"Use one of: {allowed}." if allowed else "Look up the method in the API's description.",
                headers=headers,
            )
        case 413:
            return TooLarge(headers=headers)
        case 400:
            return BadRequest("The body can't be read.", headers=headers)
        case status:
            return Problem(status, f"http_{status}", "This can't be done", headers=headers)


async def on_erased(request: Request, _error: Exception) -> Response:
    return render(request, Gone("This person's data was erased.", code="erased", remedy="Nothing more can be done."))


async def on_key_missing(request: Request, _error: Exception) -> Response:
    return render(request, NotFound("Nobody with this id is known here yet.", remedy="Try again in a moment."))


async def on_unstorable(request: Request, _error: Exception) -> Response:
    return render(request, Invalid("It holds a character that can't be stored.", remedy=REMEDIES["nul"]))


async def on_contention(request: Request, error: Exception) -> Response:
    log.warning("http.contention", error=type(error).__name__)
    return render(
        request, Conflict(code="busy", title="Somebody else is doing this right now", headers={"Retry-After": "1"})
    )


async def on_database_busy(request: Request, error: Exception) -> Response:
    log.warning("http.database_busy", error=type(error).__name__)
    return render(request, counted(busy()))


def busy() -> Unavailable:
    """More is asked than can be done now; nothing was done."""
    return Unavailable(
        "Too much is waiting at the moment.",
        code="busy",
        remedy="Send it again in a moment, under the same Idempotency-Key where it has one.",
        headers={"Retry-After": "2"},
    )


async def on_database_away(request: Request, error: Exception) -> Response:
    log.error("http.database_away", error=type(error).__name__)
    return render(request, Unavailable(headers={"Retry-After": "5"}))


def unexpected() -> Problem:
    """What is said when we don't know: nothing but the request's id, which finds the log line."""
    return Problem(
        500,
        "internal",
        "Something went wrong on our side",
        remedy="Try again. If it happens again, tell the clinic's technician the request id.",
    )


def counted(problem: Problem) -> Problem:
    metrics.HTTP_REFUSED.labels(problem.code).inc()
    return problem


def install(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(KeyErased, on_erased)
    app.add_exception_handler(KeyMissing, on_key_missing)
    for unstorable in (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError):
        app.add_exception_handler(unstorable, on_unstorable)
    for contention in (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError):
        app.add_exception_handler(contention, on_contention)
    for slow in SLOW:
        app.add_exception_handler(slow, on_database_busy)
    for away in AWAY:
        app.add_exception_handler(away, on_database_away)
