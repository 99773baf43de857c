"""Logs carry no PHI, and a trace goes on from where an event left it."""

import io
import json
import logging
import os

import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.telemetry import logs, metrics, trace

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TYPED = "Anna Miller +13035550123"


@pytest.fixture
def lines(monkeypatch, capsys):
    """What a production process writes, as JSON."""
    root = logging.getLogger()
    before, level, ours = root.handlers[:], root.level, structlog.get_config()
    logs.configure_format("intake", "json", level="info", messages=False)
    of_libraries = io.StringIO()
    monkeypatch.setattr(root.handlers[0], "stream", of_libraries)
    yield lambda: [json.loads(line) for line in (of_libraries.getvalue() + capsys.readouterr().err).splitlines()]
    root.handlers[:] = before
    root.setLevel(level)
    structlog.configure(**ours)


def test_a_library_that_repeats_itself_is_heard_now_and_then(lines, monkeypatch):
    library = logging.getLogger("aiokafka.cluster")
    for topic in ("a", "a", "b", "a"):
        library.warning("Topic %s not found", topic)
    assert [line["event"] for line in lines()] == ["Topic a not found", "Topic b not found"]
    monkeypatch.setattr(logs, "QUIET_SECONDS", 0.0)
    library.warning("Topic %s not found", "a")
    assert lines()[-1]["event"] == "Topic a not found (and 2 times before)"


def fails():
    raise ValueError(TYPED)


def test_an_event_is_one_line_with_its_fields(lines):
    structlog.get_logger().info("lead.accepted", patient="01a2")
    (line,) = lines()
    assert (line["event"], line["patient"], line["service"], line["level"]) == (
        "lead.accepted",
        "01a2",
        "intake",
        "info",
    )


def test_an_exception_is_its_type_and_places_without_what_was_typed(lines):
    try:
        fails()
    except ValueError as error:
        try:
            raise RuntimeError(f"while handling {TYPED}") from error
        except RuntimeError:
            structlog.get_logger().exception("lead.failed")
    (line,) = lines()
    assert line["error"] == "RuntimeError"
    assert line["cause"] == "ValueError"
    assert any("test_telemetry.py" in place for place in line["at"])
    assert "Anna" not in json.dumps(line)


def test_libraries_speak_the_same_language_and_no_more(lines):
    try:
        fails()
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    logging.getLogger("httpx").info("HTTP Request: POST https://api.example/%s", TYPED)
    (line,) = lines()
    assert line["error"] == "ValueError"
    assert "Anna" not in json.dumps(line)


def test_a_trace_is_continued_from_an_event(lines):
    trace.configure("intake", None)
    with trace.span_from(TRACEPARENT, "LeadCreated"):
        handed_on = trace.current_traceparent()
        structlog.get_logger().info("applied")
    assert handed_on is not None
    assert handed_on.split("-")[1] == TRACEPARENT.split("-")[1]
    assert lines()[0]["trace"] == TRACEPARENT.split("-")[1]


def test_a_span_says_what_failed_and_nothing_that_was_typed(monkeypatch):
    told = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(told))
    monkeypatch.setattr(trace, "_recording", True)
    monkeypatch.setattr(trace, "_tracer", provider.get_tracer("tests"))
    with pytest.raises(ValueError), trace.span_from(None, "outer"), trace.span_from(None, "LeadCreated"):
        raise ValueError(f"not a number: {TYPED}")
    spans = told.get_finished_spans()
    assert [(span.name, span.status.status_code.name, span.status.description) for span in spans] == [
        ("LeadCreated", "ERROR", "ValueError"), ("outer", "ERROR", "ValueError"),
    ]  # fmt: skip
    assert "Anna" not in "".join(span.to_json() for span in spans)


@pytest.mark.parametrize("given", [TRACEPARENT, None, "nonsense"])
def test_a_trace_is_handed_on_where_nothing_is_recorded(lines, given):
    trace.configure("intake", None)
    with trace.HandedOn(given) as traceparent:
        assert trace.current_traceparent() == traceparent
        structlog.get_logger().info("applied")
    assert lines()[0]["trace"] == traceparent.split("-")[1]
    assert (traceparent == given) == (given == TRACEPARENT)
    assert trace.current_traceparent() is None


@pytest.mark.parametrize("unreadable", [None, "", "nonsense", "00-0-0-0"])
def test_without_a_readable_trace_a_new_one_begins(unreadable):
    trace.configure("intake", None)
    with trace.span_from(unreadable, "LeadCreated"):
        assert trace.current_traceparent() is not None


def test_every_metric_that_operators_watch_is_exposed():
    metrics.INBOX_SKIPPED.labels("intake").inc()
    text = metrics.exposition().decode()
    names = "outbox_age_seconds relay_published_total inbox_applied_total inbox_skipped_total inbox_parked_total"
    more = "inbox_gaps_total dead_letters_total consumer_lag timers_fired_total timers_late_seconds http_seconds"
    for name in f"{names} {more}".split():
        assert f"passage_{name}" in text


@pytest.mark.parametrize(
    ("file", "told", "limit"),
    [
        ("memory.max", "402653184\n", 402_653_184),
        ("memory/memory.limit_in_bytes", "402653184\n", 402_653_184),
        ("memory.max", "max\n", None),
        ("memory/memory.limit_in_bytes", "9223372036854771712\n", None),
        ("", "", None),
    ],
)
def test_the_limit_of_memory_is_the_containers_else_the_machines(monkeypatch, tmp_path, file, told, limit):
    monkeypatch.setattr(metrics, "CGROUP", tmp_path)
    if file:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(told)
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert metrics.memory_limit() == (limit or machine)
    assert metrics.REGISTRY.get_sample_value("passage_memory_limit_bytes") == (limit or machine)
