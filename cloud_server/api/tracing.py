"""OpenTelemetry spans that join the edge's trace; off without an endpoint or without the package."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

SERVICE_NAME = "shadowdog-cloud"
EXPORT_TIMEOUT_S = 3

logger = logging.getLogger(__name__)


class Span:
    """One span of a trace, or of none: then every call does nothing. Numbers, names and ids only."""

    def __init__(self, span: Any = None) -> None:
        self._span = span

    def rename(self, name: str) -> None:
        if self._span is not None:
            self._span.update_name(name)

    def note(self, name: str, value: str | int | float | None) -> None:
        if self._span is not None and value is not None:
            self._span.set_attribute(name, value)

    def end(self) -> None:
        """End it, once; what comes afterwards does nothing."""
        if self._span is not None:
            self._span.end()
            self._span = None


class Tracing:
    """Makes spans; without a provider they are all of no trace."""

    def __init__(self, provider: "TracerProvider | None" = None) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("shadowdog.cloud") if provider else None

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

        # The provider is this service's own, never the process's: two apps never mix.
        provider = TracerProvider(
            resource=Resource.create({"service.name": SERVICE_NAME}), shutdown_on_exit=False
        )
        provider.add_span_processor(processor)
        return cls(provider)

    @contextmanager
    def serve(self, wanted: bool, headers: Mapping[str, str]) -> Iterator[Span]:
        """Open the span of an HTTP request, a child of the one that its `traceparent` names."""
        if self._tracer is None or not wanted:
            yield Span()
            return
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        parent = TraceContextTextMapPropagator().extract(dict(headers))
        with self._tracer.start_as_current_span(
            "request",
            parent,
            SpanKind.SERVER,
            record_exception=False,  # an exception may carry what was said
            set_status_on_exception=False,
        ) as span:
            yield Span(span)

    def begin(self, name: str) -> Span:
        """Return a span within the present one; whoever takes it ends it."""
        return Span(self._tracer.start_span(name) if self._tracer else None)

    def close(self) -> None:
        """Send what is left; blocks for seconds at most."""
        if self._provider is not None:
            self._provider.shutdown()
