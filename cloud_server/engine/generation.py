"""One request under way: its cache, its tokens so far, its deadline, and who listens."""

from typing import Any

from cloud_server.engine.detokenizer import Detokenizer
from cloud_server.engine.request import Done, FinishReason, GenerationRequest, Token
from cloud_server.engine.served_base import ServedBase
from cloud_server.engine.stream import EventStream


class Generation:
    """Owns all state of one request; times are seconds on the engine's clock."""

    def __init__(self, request: GenerationRequest, stream: EventStream, now_s: float) -> None:
        self.request = request
        self.stream = stream
        self.deadline_at_s = now_s + request.deadline_s
        self.new_ids: tuple[int, ...] = request.prompt_ids
        """Tokens that the cache has not seen yet: the prompt, then the last token."""
        self.cache: Any = None
        self._submitted_at_s = now_s
        self._started_at_s: float | None = None
        self._first_token_at_s: float | None = None
        self._detokenizer: Detokenizer | None = None
        self._stop_token_ids: frozenset[int] = frozenset()
        self._completion_tokens = 0
        self._text = ""

    def start(self, served: ServedBase, cache: Any, now_s: float) -> None:
        """Leave the queue with an empty cache of its own."""
        self.cache = cache
        self._started_at_s = now_s
        self._detokenizer = Detokenizer(served.tokenizer)
        self._stop_token_ids = served.stop_token_ids

    def is_late(self, now_s: float) -> bool:
        """Return whether the deadline has come."""
        return now_s >= self.deadline_at_s

    def accept(self, token_id: int, now_s: float) -> FinishReason | None:
        """Take the next token, send its text, and return why the answer ends here, if it does."""
        if self._first_token_at_s is None:
            self._first_token_at_s = now_s
        if token_id in self._stop_token_ids:
            return "stop"
        self._completion_tokens += 1
        self.new_ids = (token_id,)
        assert self._detokenizer is not None
        text = self._detokenizer.feed(token_id)
        if text:
            self._text += text
            self.stream.emit(Token(text))
        return "length" if self._completion_tokens >= self.request.max_tokens else None

    def finish(self, reason: FinishReason, now_s: float) -> Done:
        """Send the end of the answer with the text so far, and return it."""
        self.cache = None
        started = now_s if self._started_at_s is None else self._started_at_s
        first = self._first_token_at_s
        done = Done(
            text=self._text,
            finish_reason=reason,
            prompt_tokens=len(self.request.prompt_ids),
            cached_tokens=0,
            completion_tokens=self._completion_tokens,
            queue_ms=1000 * (started - self._submitted_at_s),
            first_token_ms=None if first is None else 1000 * (first - self._submitted_at_s),
            total_ms=1000 * (now_s - self._submitted_at_s),
        )
        self.stream.emit(done)
        return done
