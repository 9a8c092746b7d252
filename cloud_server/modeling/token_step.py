"""One new token through a decoder with a cache, without what only a longer pass needs."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

Rotary = Callable[[Any, Tensor, Tensor, str], tuple[Tensor, Tensor]]
"""(rotary module, hidden state, positions, kind of attention) -> cosines and sines."""


def _rotary_by_kind(
    rotary: Any, hidden: Tensor, positions: Tensor, kind: str
) -> tuple[Tensor, Tensor]:
    found: tuple[Tensor, Tensor] = rotary(hidden, positions, kind)
    return found


def _rotary_for_all(
    rotary: Any, hidden: Tensor, positions: Tensor, kind: str
) -> tuple[Tensor, Tensor]:
    found: tuple[Tensor, Tensor] = rotary(hidden, positions)
    return found


TRIED: dict[str, Rotary] = {"gemma3_text": _rotary_by_kind, "qwen3": _rotary_for_all}
"""Families whose forward is known to be embedding, layers and norm alone; others take it whole."""

MASKLESS = ("sdpa", "eager")
"""Attention implementations that take no mask for "sees all that the cache holds"."""


class TokenStep:
    """A decoder's forward for one token a row, equal to its own wherever no row is padded.

    A single last token sees all that its cache holds (a sliding window's cache holds no more than
    the window), so it needs no mask, and what is left is the loop over the layers. That saves
    transformers' masks, argument handling and look-ups. Holds no state of a request.
    """

    def __init__(self, decoder: PreTrainedModel) -> None:
        """decoder: of transformers, or its view with a shadow around the layers."""
        config = decoder.config
        self._decoder: Any = decoder
        self._rotary = TRIED.get(config.model_type)
        self._kinds = list(getattr(config, "layer_types", None) or ())
        self._layers = list(getattr(decoder, "layers", ()))[: len(self._kinds)]

    def fits(self, input_ids: Tensor, attention_mask: Any) -> bool:
        """Return whether these inputs are a single token a row, unpadded, on a family that was tried."""
        return (
            attention_mask is None
            and input_ids.shape[1] == 1
            and self._rotary is not None
            and self._decoder.config._attn_implementation in MASKLESS
        )

    def __call__(
        self,
        embedded: Tensor,
        position_ids: Tensor | None,
        keys_values: DynamicCache,
        **arguments: Any,
    ) -> Tensor:
        """Return the final-normed state [batch, 1, hidden] of embeddings [batch, 1, hidden].

        arguments: passed on to every layer. Fills `keys_values`.
        """
        assert self._rotary is not None
        if position_ids is None:
            seen = keys_values.get_seq_length()
            position_ids = embedded.new_full((1, 1), seen, dtype=torch.long)
        rotary, hidden = self._decoder.rotary_emb, embedded
        rotations = {
            kind: self._rotary(rotary, hidden, position_ids, kind) for kind in set(self._kinds)
        }
        for layer, kind in zip(self._layers, self._kinds, strict=True):
            output = layer(
                hidden,
                attention_mask=None,
                position_embeddings=rotations[kind],
                position_ids=position_ids,
                past_key_values=keys_values,
                **arguments,
            )
            hidden = output[0] if isinstance(output, tuple) else output
        state: Tensor = self._decoder.norm(hidden)
        return state
