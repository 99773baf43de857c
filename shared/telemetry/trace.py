"""OpenTelemetry: one trace from the request through event log and Kafka to the last consumer.

The promise: there always is a trace to hand on, whether anyone collects it or not; spans carry codes and ids only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()
_IDS = RandomIdGenerator()
LENGTH = 55
"""Characters of a W3C traceparent."""
_provider: TracerProvider | None = None
_recording = False
_tracer: Tracer = trace.get_tracer("passage")


def configure(service: str, otlp_endpoint: str | None) -> None:
    """Set up tracing once per process; a later call is without effect.

    `otlp_endpoint` is a collector's base address (`http://collector:4318`). Without one, ids are made and handed on but
    nothing is recorded, which costs next to nothing.
    """
    global _provider, _tracer, _recording
    if _provider is not None:
        return
    sampler = ParentBased(ALWAYS_ON) if otlp_endpoint else ALWAYS_OFF
    _provider = TracerProvider(resource=Resource.create({"service.name": f"passage-{service}"}), sampler=sampler)
    _tracer = _provider.get_tracer("passage")  # once: getting it costs more than a span
    if otlp_endpoint:
        _recording = True
        # a third of a second of imports that most processes don't need
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        exporter = OTLPSpanExporter(endpoint=f"{otlp_endpoint.rstrip('/')}/v1/traces")
        _provider.add_span_processor(BatchSpanProcessor(exporter))


def recording() -> bool:
    """Whether anyone collects spans of this process."""
    return _recording


_handed_on: ContextVar[str | None] = ContextVar("handed_on", default=None)


class HandedOn:
    """A block within the trace of a traceparent, to which this process adds no span; a new one where none is readable.

    The traceparent is handed on as it came: for what happens thousands of times a second where nobody looks.
    """

    __slots__ = ("_token", "traceparent")

    def __init__(self, traceparent: str | None) -> None:
        if traceparent is None or len(traceparent) != LENGTH:
            traceparent = f"00-{_IDS.generate_trace_id():032x}-{_IDS.generate_span_id():016x}-00"
        self.traceparent = traceparent

    def __enter__(self) -> str:
        self._token = _handed_on.set(self.traceparent)
        return self.traceparent

    def __exit__(self, *_: object) -> None:
        _handed_on.reset(self._token)


def shutdown() -> None:
    """Send what is still buffered."""
    if _provider is not None:
        _provider.force_flush(2_000)


def current_traceparent() -> str | None:
    """The W3C traceparent of the span we are in, or of the block that hands one on, to be kept with an event."""
    here = trace.get_current_span().get_span_context()
    if not here.is_valid:
        return _handed_on.get()
    return f"00-{here.trace_id:032x}-{here.span_id:016x}-{here.trace_flags:02x}"


@contextmanager
def span_from(traceparent: str | None, name: str, kind: SpanKind = SpanKind.CONSUMER) -> Iterator[Span]:
    """A span that continues the trace of `traceparent`, or the present one when it is null or unreadable."""
    parent = _PROPAGATOR.extract({"traceparent": traceparent}) if traceparent else None
    if not _recording:
        span = _unrecorded(parent)
        token = attach(trace.set_span_in_context(span, parent))
        try:
            yield span
        finally:
            detach(token)
        return
    # What the SDK itself writes of an exception quotes its message, and so what somebody typed.
    with _tracer.start_as_current_span(
        name, context=parent, kind=kind, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except Exception as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__qualname__))
            raise


def _unrecorded(context: Context | None) -> Span:
    """What the SDK makes where nothing is recorded, a third of its time: ids to hand on."""
    parent = trace.get_current_span(context).get_span_context()
    trace_id = parent.trace_id if parent.is_valid else _IDS.generate_trace_id()
    return NonRecordingSpan(
        SpanContext(trace_id, _IDS.generate_span_id(), is_remote=False, trace_state=parent.trace_state)
    )
