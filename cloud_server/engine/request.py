"""What a caller asks of the engine, and the events that come back."""

from dataclasses import dataclass
from typing import Literal

FinishReason = Literal["stop", "length", "deadline"]


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen; a temperature of 0 is greedy, whatever the rest says.

    top_p: the smallest set of most probable tokens whose probabilities reach it is drawn from.
    seed: the same seed gives the same text, whatever else is decoded beside it; None draws one.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None


GREEDY = Sampling()


@dataclass(frozen=True)
class GenerationRequest:
    """One continuation of `prompt_ids`; `deadline_s` seconds count from `Engine.submit`.

    model: a shadow's name, the base's name for the bare base, or None for the default shadow.
    owner: whom to be fair to, the name of a caller's key. robot: whom to be fair to within it, where the
    caller speaks for several. session_id: keeps this request's keys and values for the session's next
    turn, by owner, robot and model. stop: strings that end the answer and
    are no part of it. ends_loops: it ends before it says the same a third time (`LoopStop`). grammar "tag": the answer begins with one of the 35 tags. forced_ids: the
    answer begins with exactly these tokens, which count as its own. with_ids: each
    token is an event with its id, also while its character is unfinished.
    """

    request_id: str
    prompt_ids: tuple[int, ...]
    max_tokens: int
    deadline_s: float
    model: str | None = None
    owner: str = ""
    robot: str = ""
    session_id: str | None = None
    sampling: Sampling = GREEDY
    stop: tuple[str, ...] = ()
    ends_loops: bool = False
    grammar: Literal["tag"] | None = None
    forced_ids: tuple[int, ...] = ()
    with_ids: bool = False


@dataclass(frozen=True)
class Token:
    """A piece of text, made of whole characters; `ids` only where they were asked for."""

    text: str
    ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Done:
    """The end of an answer; `text` is what the Token events said, one after the other.

    `cached_tokens` of the prompt's were not computed anew. Milliseconds count from `Engine.submit`;
    `first_token_ms` is None where no token was made in time, and `queue_ms` is then the whole wait.
    """

    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    queue_ms: float
    first_token_ms: float | None
    total_ms: float


Event = Token | Done
