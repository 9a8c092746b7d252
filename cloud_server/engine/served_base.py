"""What the engine serves: a causal model with its tokenizer, prompt encoder and end marks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from cloud_server.engine.batch import Batch
from shared.prompt import SYSTEM_PROMPT, PromptEncoder, Segment

if TYPE_CHECKING:
    from cloud_server.modeling import ShadowModel


class BatchDecoder(Protocol):
    """What the engine needs of a model; `cloud_server.engine.decoder.Decoder` is one.

    `slot_bytes`: what one token's keys and values take; `context_tokens`: the longest sequence.
    """

    vocabulary_size: int
    context_tokens: int

    @property
    def slot_bytes(self) -> int: ...

    def add_shadow(self, name: str, model: Any) -> None:
        """Let rows of that model name use this shadow."""

    def remove_shadow(self, name: str) -> None:
        """Forget a shadow that no row uses any more."""

    def run(self, batch: Batch) -> Tensor:
        """Store the batch's new tokens and return logits [asking rows, vocabulary] in its order."""


class TokenDecoder(Protocol):
    """What the engine needs of a `tokenizers.Tokenizer` to turn ids back into text."""

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str: ...


class ServedName(NamedTuple):
    """A name that requests may use; `in_use` requests wait or run under it."""

    name: str
    kind: Literal["shadow", "base"]
    default: bool
    in_use: int


@dataclass(frozen=True)
class Served:
    """What is known of a served model wherever it runs: its names, its tokens, its end marks.

    `name` is the shadow's, `base_name` that of the bare base. `stop_token_ids` end an answer and
    are no part of it.
    """

    name: str
    base_name: str
    encoder: PromptEncoder
    tokenizer: TokenDecoder
    stop_token_ids: frozenset[int]

    @property
    def system_ids(self) -> tuple[int, ...]:
        """The tokens that every prompt of the chat format begins with."""
        prefix = self.encoder.chat.prefix(SYSTEM_PROMPT)
        return tuple(self.encoder.encode_segment(Segment(prefix, control=True)))


@dataclass(frozen=True)
class ServedBase(Served):
    """A loaded base with its default shadow, ready to be owned by an engine's thread."""

    model: "ShadowModel"
    device: torch.device

    def make_decoder(self, capacity: int) -> BatchDecoder:
        """Return what runs the base and its default shadow, with room for `capacity` tokens."""
        from cloud_server.engine.decoder import Decoder  # takes seconds: transformers

        decoder = Decoder(self.base_name, self.model, capacity)
        decoder.add_shadow(self.name, self.model)
        return decoder

    def read_shadow(self, directory: Path) -> "ShadowModel":
        """Return another shadow of the base from its folder; CheckpointForeign, CheckpointMismatch."""
        from cloud_server.modeling import ShadowModel

        return ShadowModel.from_pretrained(self.model.base, directory)
