"""The bodies of OpenAI's chat completions, as far as this service takes part.

What would change an answer and is not done here is refused, by its name; what only labels a
request (`user`, `metadata`, ...) is taken and not used.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

MAX_MESSAGES = 256
MAX_STOPS = 4
DEFAULT_COMPLETION_TOKENS = 256
_INT64 = 2**63

StopString = Annotated[str, Field(min_length=1, max_length=64)]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TextPart(_Given):
    """A piece of a message; only text is read."""

    type: Literal["text"]
    text: str


class ChatMessage(_Given):
    """One message; `name` is not used."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | Annotated[list[TextPart], Field(min_length=1)]
    name: str | None = None

    @property
    def text(self) -> str:
        """What the message says, its parts joined."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content)


class StreamOptions(_Given):
    include_usage: bool = False
    include_obfuscation: bool = False
    """Taken and not done."""


class TextFormat(_Given):
    type: Literal["text"]


class ChatRequest(_Given):
    """`POST /v1/chat/completions`. Without a temperature the answer is greedy."""

    model: Annotated[str, Field(min_length=1, max_length=128)]
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MAX_MESSAGES)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-_INT64, lt=_INT64)] | None = None
    stop: StopString | Annotated[list[StopString], Field(max_length=MAX_STOPS)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    n: Annotated[int, Field(ge=1, le=1)] | None = None
    frequency_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    presence_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    logprobs: Literal[False] | None = None
    response_format: TextFormat | None = None
    store: Literal[False] | None = None

    user: str | None = None
    metadata: dict[str, Any] | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        limits = {self.max_tokens, self.max_completion_tokens} - {None}
        if len(limits) > 1:
            raise ValueError("max_tokens and max_completion_tokens differ; send one of them")
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options go with stream: true")
        return self

    @property
    def token_limit(self) -> int | None:
        """The most tokens that the answer may have, if the caller said so."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop strings."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())


class CachedTokens(BaseModel):
    cached_tokens: int


class ChatUsage(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: CachedTokens


ChatFinish = Literal["stop", "length"]


class ChatAnswer(BaseModel):
    role: Literal["assistant"] = "assistant"
    content: str


class ChatChoice(BaseModel):
    index: Literal[0] = 0
    message: ChatAnswer
    logprobs: None = None
    finish_reason: ChatFinish


class ChatCompletion(BaseModel):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    usage: ChatUsage


class ServedModelCard(BaseModel):
    """One name that requests may use; `kind` says whether a shadow is attached."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["shadowdog"] = "shadowdog"
    kind: Literal["shadow", "base"]
    default: bool


class ServedModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[ServedModelCard]
