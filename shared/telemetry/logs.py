"""Structured logs: an event's name and fields, one line each.

The promise: no PHI. Messages of exceptions may quote what somebody typed, so outside development an exception is logged
as its type and the places it passed, without its message and without values.
"""

import contextlib
import logging
import sys
import traceback
from types import TracebackType
from typing import Any, Literal, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from shared.settings import ServiceSettings
from shared.telemetry.trace import current_traceparent

FRAMES = 12
QUIET_SECONDS = 30.0
"""A library that says the same again is heard this often: aiokafka writes 200 lines a second about a missing topic."""
MOST_REMEMBERED = 1_000


def configure(service: str, settings: ServiceSettings) -> None:
    """Set up structlog, and the standard library's logging through it, for this process."""
    configure_format(
        service, settings.log_format, level=settings.log_level, messages=settings.environment != "production"
    )


def configure_format(service: str, style: Literal["json", "console"], *, level: str, messages: bool) -> None:
    """Like `configure`, for programs without a service's settings. `messages` shows what exceptions say."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _bind(service),
        _trace_id,
        _exceptions(messages=messages),
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=_Lines,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_Repeated())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    # Libraries speak when something is wrong; their chatter would quote addresses and queries.
    for library in ("aiokafka", "faststream", "httpx", "httpcore", "uvicorn", "asyncio", "opentelemetry", "mail"):
        logging.getLogger(library).setLevel(max(threshold, logging.WARNING))


class _Repeated(logging.Filter):
    """Lets a message of a library through once in `QUIET_SECONDS`, with how often it was said meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info:
            return True
        said = (record.name, record.getMessage())
        since, times = self._said.get(said, (0.0, 0))
        if record.created - since < QUIET_SECONDS:
            self._said[said] = (since, times + 1)
            return False
        if len(self._said) >= MOST_REMEMBERED:
            self._said.clear()
        self._said[said] = (record.created, 0)
        if times:
            record.msg, record.args = f"{said[1]} (and {times} times before)", ()
        return True


class _Lines:
    """Our own lines go to stderr at once: the way through the standard library's logging takes twice as long, and each
    request writes a line.
    """

    def __init__(self, *_args: object) -> None:
        pass

    def msg(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # nobody reads any more: no reason to fail a request
            sys.stderr.write(f"{line}\n")

    log = debug = info = warning = error = critical = exception = msg


def _bind(service: str) -> Processor:
    def bind(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("service", service)
        return event

    return bind


def _trace_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if here := current_traceparent():
        event["trace"] = here[3:35]
    return event


def _exceptions(*, messages: bool) -> Processor:
    def describe(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        info = event.pop("exc_info", None)
        error = _error_of(info)
        if error is not None:
            event["error"] = type(error).__qualname__
            event["at"] = _places(error.__traceback__)
            if error.__cause__ is not None:
                event["cause"] = type(error.__cause__).__qualname__
            if messages:
                event["message"] = str(error)[:500]
        return event

    return describe


def _error_of(info: object) -> BaseException | None:
    if isinstance(info, BaseException):
        return info
    if isinstance(info, tuple):
        return cast("BaseException | None", info[1])
    return sys.exc_info()[1] if info else None


def _places(tb: TracebackType | None) -> list[str]:
    frames: list[Any] = traceback.extract_tb(tb)[-FRAMES:]
    return [f"{frame.filename.rpartition('site-packages/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
