"""What the engine serves: a causal model with its tokenizer, prompt encoder and end marks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from shared.prompt import PromptEncoder


class CausalOutput(Protocol):
    """Logits [batch, kept tokens, vocabulary]."""

    @property
    def logits(self) -> Tensor | None: ...


class CausalModel(Protocol):
    """What the engine needs of a model; `cloud_server.modeling.ShadowModel` is one.

    All state of a request lies in the cache that the caller owns: calls may interleave.
    """

    def new_cache(self) -> Any:
        """Return an empty cache for one request."""

    def __call__(
        self,
        input_ids: Tensor,
        attention_mask: None = None,
        cache: Any = None,
        *,
        logits_to_keep: int = 0,
        shadow_logits: bool = True,
    ) -> CausalOutput:
        """Return the logits of `input_ids` [batch, new tokens] after what `cache` has seen."""


class TokenDecoder(Protocol):
    """What the engine needs of a `tokenizers.Tokenizer` to turn ids back into text."""

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str: ...


@dataclass(frozen=True)
class ServedName:
    """A name that requests may use; `in_use` requests wait or run under it."""

    name: str
    kind: Literal["shadow", "base"]
    default: bool
    in_use: int


@dataclass(frozen=True)
class ServedBase:
    """A loaded base with its default shadow, ready to be owned by an engine's thread.

    `name` is the shadow's, `base_name` that of the bare base. `stop_token_ids` end an answer and
    are no part of it.
    """

    name: str
    base_name: str
    model: CausalModel
    encoder: PromptEncoder
    tokenizer: TokenDecoder
    stop_token_ids: frozenset[int]
    device: torch.device
