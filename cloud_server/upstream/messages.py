"""The wire between a front end and an upstream: OpenAI's streamed completions, in token ids.

vLLM's names, which go beyond OpenAI's: `stop_token_ids`, `ignore_eos`, `return_token_ids`, `token_ids`.
"""

from typing import Annotated, Literal

from pydantic import Field

from shared.messages import Name, Reply, Request, RequestId

COMPLETIONS_PATH = "/v1/completions"
MODELS_PATH = "/v1/models"
STREAM_END = "[DONE]"
MAX_PROMPT_TOKENS = 1_000_000


class StreamOptions(Request):
    """`include_usage`: one more chunk at the end says how many tokens there were."""

    include_usage: Literal[True] = True


class CompletionRequest(Request):
    """`POST /v1/completions`: go on from `prompt`, whatever marks it holds, and stream the ids.

    ignore_eos: nothing but `stop_token_ids` and `max_tokens` ends the answer. session_id: whose earlier
    turns' keys and values may be used again, where this replica still has them.
    """

    model: Name
    prompt: Annotated[list[int], Field(min_length=1, max_length=MAX_PROMPT_TOKENS)]
    max_tokens: Annotated[int, Field(ge=1)]
    temperature: Annotated[float, Field(ge=0)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    stop_token_ids: tuple[int, ...] = ()
    ignore_eos: Literal[True] = True
    request_id: RequestId
    session_id: Name | None = None
    stream: Literal[True] = True
    stream_options: StreamOptions = StreamOptions()
    return_token_ids: Literal[True] = True


class CompletionChoice(Reply):
    """A piece of the answer; an end mark may or may not be among the ids."""

    index: int = 0
    text: str = ""
    token_ids: list[int] | None = None
    finish_reason: str | None = None


class CachedTokens(Reply):
    cached_tokens: int | None = None


class CompletionUsage(Reply):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int = 0
    prompt_tokens_details: CachedTokens | None = None


class CompletionChunk(Reply):
    """One event of the stream."""

    id: str = ""
    object: str = "text_completion"
    created: int = 0
    model: str = ""
    choices: list[CompletionChoice]
    usage: CompletionUsage | None = None


class UpstreamModel(Reply):
    """A model that an upstream lists; vLLM says how long a sequence may be."""

    id: str
    max_model_len: int | None = None


class UpstreamModels(Reply):
    """`GET /v1/models`."""

    data: list[UpstreamModel]
