"""The engine's bounds: how many requests, how much memory, how long a session is remembered."""

from dataclasses import dataclass

from cloud_server.engine.request import GenerationRequest
from shared.errors import RequestError, TooLarge


@dataclass(frozen=True)
class EngineLimits:
    """Every bound of the engine; the defaults are for a small base on a CPU.

    max_active: requests decoded at once. queue_size: how many more may wait. cache_tokens: the
    tokens whose keys and values there is room for, of active requests and kept ones together; a
    request that needs more than all of it is refused. prefill_tokens: prompt tokens computed in one
    step, so that a long prompt holds nobody up. kept_sessions, kept_tokens, kept_s: how many
    sessions' earlier turns are kept, with how many tokens in all, and for how long.
    """

    max_active: int = 16
    queue_size: int = 64
    cache_tokens: int = 16_384
    prefill_tokens: int = 128
    kept_sessions: int = 64
    kept_tokens: int = 8_192
    kept_s: float = 600.0

    def most_tokens(self, context_tokens: int) -> int:
        """Return how many tokens a prompt and its answer may have together on a base of that context."""
        return min(self.cache_tokens, context_tokens)

    def check(self, request: GenerationRequest, vocabulary_size: int, context_tokens: int) -> None:
        """Raise TooLarge where there is never room for the request, RequestError where it is wrong.

        context_tokens: the longest sequence that the base was made for.
        """
        sampling, length = request.sampling, len(request.prompt_ids) + request.max_tokens
        most = self.most_tokens(context_tokens)
        if not request.prompt_ids:
            raise RequestError("the prompt is empty")
        if request.max_tokens < 1:
            raise RequestError("max_tokens must be at least 1")
        if length > most:  # before each token is looked at: there may be hundreds of thousands
            raise TooLarge(
                f"prompt and max_tokens are {length} tokens together and at most {most} fit; "
                "shorten the prompt or ask for fewer tokens"
            )
        if not all(0 <= t < vocabulary_size for t in (*request.prompt_ids, *request.forced_ids)):
            raise RequestError("the prompt holds a token that the base does not know")
        if not (sampling.temperature >= 0 and 0 < sampling.top_p <= 1):
            raise RequestError("temperature must not be negative and top_p must lie in (0, 1]")
