"""What all routes stand on: the engine, the sessions, and those who watch."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from cloud_server.api.metrics import CloudMetrics
from cloud_server.api.sessions import Sessions
from cloud_server.api.tracing import Span, Tracing
from cloud_server.engine import AnswerEngine, Done, EventStream, GenerationRequest, Token


@dataclass(frozen=True)
class Service:
    """The parts that outlive a request; prompt_turns: the exchanges of a session in a prompt."""

    engine: AnswerEngine
    sessions: Sessions
    metrics: CloudMetrics
    tracing: Tracing
    prompt_turns: int

    def generate(self, request: GenerationRequest) -> "Generation":
        """Queue a request; raises what `Engine.submit` does."""
        span = self.tracing.begin("generate")
        try:
            return Generation(self.engine.submit(request), span)
        except BaseException:
            span.end()
            raise


class Generation:
    """An answer under way with its span; iterate once, `cancel` in any case."""

    def __init__(self, stream: EventStream, span: Span) -> None:
        self._stream = stream
        self._span = span

    def cancel(self) -> None:
        """Free the request's place in the engine; harmless after the end."""
        self._stream.cancel()
        self._span.end()

    async def events(self) -> AsyncIterator[Token | Done]:
        """Yield the engine's events; nothing more after `cancel`."""
        async for event in self._stream:
            if isinstance(event, Done):
                self._note(event)
            yield event

    def _note(self, done: Done) -> None:
        figures: dict[str, str | float | None] = {
            "finish_reason": done.finish_reason,
            "prompt_tokens": done.prompt_tokens,
            "cached_tokens": done.cached_tokens,
            "completion_tokens": done.completion_tokens,
            "queue_ms": done.queue_ms,
            "first_token_ms": done.first_token_ms,
            "total_ms": done.total_ms,
        }
        for name, value in figures.items():
            self._span.note(f"shadowdog.{name}", value)
        self._span.end()
