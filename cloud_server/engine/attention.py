"""Attention of many rows of different lengths in one forward pass of an unchanged decoder.

The tokens of all rows go through the decoder as one sequence; everything in it is token-wise, but
for attention, which transformers lets a program name and replace: each row sees its own slots only.
"""

import copy
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedModel

from cloud_server.engine.batch import Row, Sight, new_slots_of, sight_of
from cloud_server.engine.key_value_store import Pool
from shared.errors import ModelError

NAME = "shadowdog_rows"

_WITHOUT_EFFECT = frozenset(
    {"dropout", "position_ids", "cache_position", "use_cache", "output_attentions"}
)
"""What families pass to every attention and what changes no answer: dropout is training's."""
_LAYER_TYPES = frozenset({"full_attention", "sliding_attention"})


def attend_by_rows(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: None,
    *,
    scaling: float,
    rows: "RowAttention",
    sliding_window: int | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Return [1, tokens, heads, head size]; query, key and value are [1, heads, tokens, head size].

    ModelError for what a family does to its attention beyond the arguments named here (GPT-OSS's sinks).
    """
    for name, value_given in others.items():
        if value_given is not None and name not in _WITHOUT_EFFECT:
            raise ModelError(f"{type(module).__name__} gives its attention {name}: not served yet")
    layer: Any = module.layer_idx
    return rows.attend(layer, query[0], key[0], value[0], scaling, sliding_window)[None], None


AttentionInterface.register(NAME, attend_by_rows)


def view_with_row_attention(decoder: PreTrainedModel) -> PreTrainedModel:
    """Return a second face of `decoder` whose forward wants `rows=`, a RowAttention.

    Parameters and buffers are the decoder's own; the decoder itself is not changed. ModelError for
    one whose attention has more to it than this one knows.
    """
    _refuse_unknown(decoder)
    own = {id(tensor): tensor for tensor in (*decoder.parameters(), *decoder.buffers())}
    view = copy.deepcopy(decoder, own)
    view.config._attn_implementation = NAME
    return view


def _refuse_unknown(decoder: PreTrainedModel) -> None:
    """Raise ModelError where rows side by side in one sequence would not be what each is alone."""
    config, name = decoder.config, type(decoder).__name__
    if getattr(config, "attn_logit_softcapping", None):
        raise ModelError(f"{name} caps its attention scores: not served yet")
    if getattr(config, "use_bidirectional_attention", None):
        raise ModelError(f"{name} also attends to later tokens: it cannot be served")
    if unknown := sorted(set(getattr(config, "layer_types", None) or ()) - _LAYER_TYPES):
        raise ModelError(f"{name} has layers of {', '.join(unknown)}: not served yet")


class RowAttention:
    """The attention of one decoder in one step: `rows`, and the pools that hold their tokens."""

    def __init__(self, rows: Sequence[Row], pools: Sequence[Pool]) -> None:
        self._pools = pools
        device = pools[0].keys.device
        self._new_slots = new_slots_of(rows).to(device)
        self._groups = _groups_of(rows, device)
        in_order = len(self._groups) == 1
        self._back = None if in_order else torch.cat([group.at for group in self._groups]).argsort()

    def with_pools(self, pools: Sequence[Pool]) -> "RowAttention":
        """Return the same rows' attention over another decoder's pools."""
        other = copy.copy(self)
        other._pools = pools
        return other

    def attend(
        self,
        layer: int,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        scaling: float,
        window: int | None,
    ) -> Tensor:
        """Store the new keys and values and return the rows' outputs [tokens, heads, head size]."""
        pool = self._pools[layer]
        pool.keys.index_copy_(0, self._new_slots, key.transpose(0, 1))
        pool.values.index_copy_(0, self._new_slots, value.transpose(0, 1))
        outputs = [group.attend(query, pool, scaling, window) for group in self._groups]
        if self._back is None:
            return outputs[0]
        return torch.cat(outputs).index_select(0, self._back)


class _Group:
    """Rows of equally many new tokens, attended to in one call."""

    def __init__(self, rows: Sequence[Row], at: Tensor, is_all: bool) -> None:
        """at: where the rows' tokens are in the batch [rows * new]; is_all: those are all of it."""
        self.at = at
        self._rows = rows
        self._is_all = is_all
        self._sights: dict[tuple[int | None, int], Sight] = {}

    def attend(self, query: Tensor, pool: Pool, scaling: float, window: int | None) -> Tensor:
        """Return outputs [rows * new, heads, head size] for the batch's query [heads, tokens, ...]."""
        heads, _, size = query.shape
        count, new = len(self._rows), len(self._rows[0].new_ids)
        shared_heads = pool.keys.shape[1]
        fold = heads // shared_heads  # query heads that read the same keys become further queries
        sight = self._sight(window, fold, pool)
        own = query if self._is_all else query.index_select(1, self.at)
        folded = own.view(heads, count, new, size).transpose(0, 1)
        keys, values = (
            each.index_select(0, sight.table.view(-1))
            .view(count, -1, shared_heads, size)
            .transpose(1, 2)
            for each in pool
        )
        output = scaled_dot_product_attention(
            folded.reshape(count, shared_heads, fold * new, size),
            keys,
            values,
            attn_mask=sight.mask,
            scale=scaling,
        )
        return output.reshape(count, heads, new, size).transpose(1, 2).reshape(-1, heads, size)

    def _sight(self, window: int | None, fold: int, pool: Pool) -> Sight:
        """Return what all layers of this kind see; made once a step."""
        if (window, fold) not in self._sights:
            sight = sight_of(self._rows, window, pool.keys.dtype)
            mask = None
            if sight.mask is not None:
                mask = sight.mask.repeat(1, 1, fold, 1).to(pool.keys.device)
            self._sights[window, fold] = Sight(sight.table.to(pool.keys.device), mask)
        return self._sights[window, fold]


def _groups_of(rows: Sequence[Row], device: torch.device) -> list[_Group]:
    """Return the rows with one new token as one group, and each row with more as its own."""
    ends = list(accumulate(len(row.new_ids) for row in rows))
    single = [number for number, row in enumerate(rows) if len(row.new_ids) == 1]
    longer = [[number] for number, row in enumerate(rows) if len(row.new_ids) > 1]
    numbers = [*([single] if single else []), *longer]
    groups = []
    for group in numbers:
        spans = [torch.arange(ends[n] - len(rows[n].new_ids), ends[n]) for n in group]
        is_all = len(numbers) == 1
        groups.append(_Group([rows[n] for n in group], torch.cat(spans).to(device), is_all))
    return groups
