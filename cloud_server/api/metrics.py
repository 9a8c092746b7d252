"""What Prometheus reads at `/metrics`: numbers only, and no label whose values a caller chooses."""

from collections.abc import Callable, Iterable

from fastapi import APIRouter
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response

from cloud_server.api.examples import METRICS_RESPONSES
from cloud_server.engine import Done, DropReason, GenerationRequest

NO_SKILL = "none"
_SECONDS = (0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1, 2, 3, 5, 10, 20, 60, 120)
_STEP_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)
_ROWS = (1, 2, 4, 8, 12, 16, 24, 32, 64, 128, 256)
_RATES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class CloudMetrics:
    """Counts what the routes and the engine tell; an `EngineObserver`, safe from any thread.

    Each service has a registry of its own, so that two in one process never mix.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = self._counter("requests", "Answered HTTP requests.", ("route", "status"))
        self._request_seconds = self._histogram(
            "request_seconds", "Until an HTTP request's last byte.", _SECONDS, ("route",)
        )
        self._errors = self._counter("errors", "Refusals by their stable code.", ("code",))
        self._queued = self._gauge("queued_requests", "Requests that wait for a place.")
        self._active = self._gauge("active_requests", "Requests that are decoded.")
        self._batch_rows = self._histogram("batch_rows", "Requests in one step.", _ROWS)
        self._step_seconds = self._histogram(
            "step_seconds", "One step of the model.", _STEP_SECONDS
        )
        self._step_tokens = self._counter("step_tokens", "Tokens run through the model.")
        self._queue_seconds = self._histogram("queue_seconds", "Wait for a place.", _SECONDS)
        self._first_token_seconds = self._histogram(
            "first_token_seconds", "From a request's arrival to its first token.", _SECONDS
        )
        self._prompt_tokens = self._counter("prompt_tokens", "Tokens of finished prompts.")
        self._tokens = self._counter("completion_tokens", "Tokens of finished answers.")
        self._rate = self._histogram(
            "answer_tokens_per_second", "Of one answer, after its first token.", _RATES
        )
        self._finished = self._counter("finished_answers", "Answers by their end.", ("reason",))
        self._dropped = self._counter("dropped_answers", "Requests given up.", ("reason",))
        self._skills = self._counter("skills", "Skills named to dogs.", ("skill",))
        self._cache_tokens = self._counter(
            "prompt_cache_tokens", "Prompt tokens kept from earlier or computed anew.", ("kind",)
        )
        self._cache_bytes = self._gauge("cache_bytes", "Keys and values held.")
        self._resumed = self._counter("resumed_answers", "Answers asked for again upstream.")
        self._sessions = self._gauge("sessions", "Sessions that are remembered.")

    # --- told by the routes ----------------------------------------------------------------------

    def requested(self, route: str, status: int, seconds: float, code: str | None) -> None:
        """An HTTP request has ended; `code` is its refusal's."""
        self._requests.labels(route, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)
        if code is not None:
            self._errors.labels(code).inc()

    def named(self, skills: Iterable[str]) -> None:
        """An answer to a dog named these skills of the catalogue, or none."""
        for skill in list(skills) or [NO_SKILL]:
            self._skills.labels(skill).inc()

    def watch_sessions(self, count: Callable[[], int]) -> None:
        """Ask `count` for the number of sessions whenever the metrics are read."""
        self._sessions.set_function(count)

    # --- told by the engine ----------------------------------------------------------------------

    def waiting(self, queued: int, active: int) -> None:
        self._queued.set(queued)
        self._active.set(active)

    def stepped(self, rows: int, tokens: int, seconds: float) -> None:
        self._batch_rows.observe(rows)
        self._step_tokens.inc(tokens)
        self._step_seconds.observe(seconds)

    def finished(self, request: GenerationRequest, done: Done) -> None:
        self._finished.labels(done.finish_reason).inc()
        self._prompt_tokens.inc(done.prompt_tokens)
        self._tokens.inc(done.completion_tokens)
        self._queue_seconds.observe(done.queue_ms / 1000)
        if done.first_token_ms is None:
            return
        self._first_token_seconds.observe(done.first_token_ms / 1000)
        decoding_s = (done.total_ms - done.first_token_ms) / 1000
        if done.completion_tokens > 1 and decoding_s > 0:
            self._rate.observe((done.completion_tokens - 1) / decoding_s)

    def dropped(self, request: GenerationRequest, reason: DropReason) -> None:
        self._dropped.labels(reason).inc()

    def reused(self, cached_tokens: int, computed_tokens: int) -> None:
        self._cache_tokens.labels("reused").inc(cached_tokens)
        self._cache_tokens.labels("computed").inc(computed_tokens)

    def holding(self, cache_bytes: int) -> None:
        self._cache_bytes.set(cache_bytes)

    def resumed(self) -> None:
        self._resumed.inc()

    # --- instruments -----------------------------------------------------------------------------

    def _counter(self, name: str, what: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(f"shadowdog_cloud_{name}", what, labels, registry=self.registry)

    def _gauge(self, name: str, what: str) -> Gauge:
        return Gauge(f"shadowdog_cloud_{name}", what, registry=self.registry)

    def _histogram(
        self, name: str, what: str, buckets: tuple[float, ...], labels: tuple[str, ...] = ()
    ) -> Histogram:
        return Histogram(
            f"shadowdog_cloud_{name}", what, labels, registry=self.registry, buckets=buckets
        )


def metrics_router(metrics: CloudMetrics) -> APIRouter:
    """Return the route that Prometheus reads; any key of the service opens it."""
    router = APIRouter(tags=["operation"])

    @router.get(
        "/metrics",
        response_class=Response,
        responses=METRICS_RESPONSES,
        summary="Show Prometheus the figures",
    )
    async def report_metrics() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return router
