"""What a caller asks of the engine, and the events that come back."""

from dataclasses import dataclass
from typing import Literal

FinishReason = Literal["stop", "length", "deadline"]


@dataclass(frozen=True)
class GenerationRequest:
    """One greedy continuation of `prompt_ids`; `deadline_s` seconds count from `Engine.submit`."""

    request_id: str
    prompt_ids: tuple[int, ...]
    max_tokens: int
    deadline_s: float


@dataclass(frozen=True)
class Token:
    """A piece of text, made of whole characters."""

    text: str


@dataclass(frozen=True)
class Done:
    """The end of an answer; `text` is what the Token events said, one after the other.

    Milliseconds count from `Engine.submit`; `first_token_ms` is None where no token was made in
    time, and `queue_ms` is then the whole wait.
    """

    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    queue_ms: float
    first_token_ms: float | None
    total_ms: float


Event = Token | Done
