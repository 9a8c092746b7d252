"""One request under way: its tokens and slots so far, its deadline, and who listens."""

from typing import Protocol

from torch import Tensor

from cloud_server.engine.batch import Row
from cloud_server.engine.detokenizer import Detokenizer
from cloud_server.engine.grammar import TagGrammar
from cloud_server.engine.loop_stop import LoopStop
from cloud_server.engine.request import Done, Event, FinishReason, GenerationRequest, Token
from cloud_server.engine.sampler import Sampler
from cloud_server.engine.served_base import Served
from cloud_server.engine.slots import Slots
from cloud_server.engine.stop_text import StopText
from shared.errors import ShadowdogError


class Listener(Protocol):
    """Who gets a request's events; `cancelled` once nobody is left to hear them."""

    @property
    def cancelled(self) -> bool: ...

    def emit(self, event: Event | ShadowdogError) -> None: ...


class Generation:
    """Owns all state of one request; times are seconds on the engine's clock.

    model: the name of the shadow or the bare base that answers.
    """

    def __init__(
        self, request: GenerationRequest, model: str, listener: Listener, now_s: float
    ) -> None:
        self.request = request
        self.model = model
        self.listener = listener
        self.deadline_at_s = now_s + request.deadline_s
        self.ids = list(request.prompt_ids)
        """The prompt's tokens, then the answer's."""
        self.computed = 0
        """How many of the tokens have their keys and values in the slots."""
        self.slots: Tensor | None = None
        """Room for all tokens that the request may come to; held from its start to its end."""
        self.cached = 0
        """How many of the prompt's tokens were not computed anew."""
        self.sampler = Sampler(request.sampling)
        self._submitted_at_s = now_s
        self._started_at_s: float | None = None
        self._first_token_at_s: float | None = None
        self._stop_text = StopText(request.stop)
        self._loop_stop = LoopStop() if request.ends_loops else None
        self._text = ""

    @property
    def answer_ids(self) -> list[int]:
        """The answer's tokens so far."""
        return self.ids[len(self.request.prompt_ids) :]

    @property
    def pending(self) -> int:
        """How many tokens must be run before the next one can be chosen."""
        return len(self.ids) - self.computed

    @property
    def is_ended_by_text(self) -> bool:
        """Whether a stop string or a loop ended the answer, which the model itself knows nothing of."""
        return self._stop_text.is_met or (self._loop_stop is not None and self._loop_stop.is_met)

    def is_late(self, now_s: float) -> bool:
        """Return whether the deadline has come."""
        return now_s >= self.deadline_at_s

    def start(
        self, served: Served, grammar: TagGrammar, cached: int, now_s: float
    ) -> FinishReason | None:
        """Leave the queue with slots for all tokens, of which the first `cached` are filled.

        Returns why the answer ends here, if its forced beginning is all of it.
        """
        self.computed = self.cached = cached
        self._started_at_s = now_s
        self._detokenizer = Detokenizer(served.tokenizer)
        self._stop_token_ids = served.stop_token_ids
        self._grammar = grammar if self.request.grammar == "tag" else None
        for token_id in self.request.forced_ids:
            if reason := self.accept(token_id, now_s):
                return reason
        return None

    def row(self, most: int) -> Row:
        """Return the next step's part: as many pending tokens as `most` allows."""
        assert self.slots is not None
        new_ids = tuple(self.ids[self.computed : self.computed + most])
        asks = self.computed + len(new_ids) == len(self.ids)
        return Row(self.model, new_ids, self.computed, self.slots, asks)

    def allowed_ids(self) -> tuple[int, ...] | None:
        """Return the tokens that the grammar allows next; None: any."""
        return self._grammar.allowed(self.answer_ids) if self._grammar else None

    def accept(self, token_id: int, now_s: float) -> FinishReason | None:
        """Take the next token, send its text, and return why the answer ends here, if it does."""
        if self._first_token_at_s is None:
            self._first_token_at_s = now_s
        if token_id in self._stop_token_ids:
            return "stop"
        self.ids.append(token_id)
        ids = (token_id,) if self.request.with_ids else ()
        text = self._stop_text.feed(self._detokenizer.feed(token_id))
        self._say(self._loop_stop.feed(text) if self._loop_stop else text, ids)
        if self.is_ended_by_text:
            return "stop"
        return "length" if len(self.answer_ids) >= self.request.max_tokens else None

    def finish(self, reason: FinishReason, now_s: float) -> Done:
        """Send what is left of the text and return the end of the answer, which `deliver` sends."""
        text = self._stop_text.finish()
        self._say(
            self._loop_stop.feed(text) + self._loop_stop.finish() if self._loop_stop else text
        )
        started = now_s if self._started_at_s is None else self._started_at_s
        first = self._first_token_at_s
        return Done(
            text=self._text,
            finish_reason=reason,
            prompt_tokens=len(self.request.prompt_ids),
            cached_tokens=self.cached,
            completion_tokens=len(self.answer_ids),
            queue_ms=1000 * (started - self._submitted_at_s),
            first_token_ms=None if first is None else 1000 * (first - self._submitted_at_s),
            total_ms=1000 * (now_s - self._submitted_at_s),
        )

    def deliver(self, done: Done) -> None:
        """Send the end of the answer: who reads it finds everything else settled already."""
        self.listener.emit(done)

    def release(self, slots: Slots) -> None:
        """Let go of the request's slots."""
        if self.slots is not None:
            slots.give_back(self.slots)
            self.slots = None

    def _say(self, text: str, ids: tuple[int, ...] = ()) -> None:
        if text or ids:
            self._text += text
            self.listener.emit(Token(text, ids))
