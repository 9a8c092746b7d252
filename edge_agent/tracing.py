"""OpenTelemetry spans of an utterance, joined by the cloud's; off without an endpoint or the package."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

SERVICE_NAME = "shadowdog-edge"
EXPORT_TIMEOUT_S = 3

logger = logging.getLogger(__name__)


class Span:
    """One span of a trace, or of none: then every call does nothing. Numbers, names and ids only."""

    def __init__(self, span: Any = None) -> None:
        self._span = span

    def note(self, name: str, value: str | float | None) -> None:
        if self._span is not None and value is not None:
            self._span.set_attribute(f"shadowdog.{name}", value)


class Tracing:
    """Makes spans; without a provider they are all of no trace."""

    def __init__(self, provider: "TracerProvider | None" = None) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("shadowdog.edge") if provider else None

    @classmethod
    def to_collector(cls, endpoint: str | None) -> "Tracing":
        """Return tracing that exports to an OTLP/HTTP collector; off where `endpoint` is None."""
        if endpoint is None:
            return cls()
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError:
            logger.warning("no traces: install shadowdog[telemetry] to send them to a collector")
            return cls()
        exporter = OTLPSpanExporter(
            endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_TIMEOUT_S
        )
        return cls.through(BatchSpanProcessor(exporter))

    @classmethod
    def through(cls, processor: "SpanProcessor") -> "Tracing":
        """Return tracing whose ended spans `processor` gets."""
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider

        provider = TracerProvider(
            resource=Resource.create({"service.name": SERVICE_NAME}), shutdown_on_exit=False
        )
        provider.add_span_processor(processor)
        return cls(provider)

    @contextmanager
    def span(self, name: str) -> Iterator[Span]:
        """Open a span within the present one, if there is one."""
        if self._tracer is None:
            yield Span()
            return
        with self._tracer.start_as_current_span(
            name, record_exception=False, set_status_on_exception=False
        ) as span:
            yield Span(span)

    @contextmanager
    def question(self) -> Iterator[dict[str, str]]:
        """Open the span of a question to the cloud; yield the headers that join the cloud's to it."""
        if self._tracer is None:
            yield {}
            return
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        headers: dict[str, str] = {}
        with self._tracer.start_as_current_span(
            "ask the cloud",
            kind=SpanKind.CLIENT,
            record_exception=False,
            set_status_on_exception=False,
        ):
            TraceContextTextMapPropagator().inject(headers)
            yield headers

    def close(self) -> None:
        """Send what is left; blocks for seconds at most."""
        if self._provider is not None:
            self._provider.shutdown()
