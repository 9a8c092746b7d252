"""One step of the base with its shadows: from a batch of rows to the logits that they ask for."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from cloud_server.engine.attention import RowAttention, view_with_row_attention
from cloud_server.engine.batch import Batch, Part, positions_of
from cloud_server.engine.key_value_store import KeyValueStore, Pool
from cloud_server.engine.refinement import Kind, Refinement, Weights, kind_of, stack, weights_of
from cloud_server.modeling import ShadowModel
from cloud_server.modeling.backbone import decoder_of, head_of, view_around_layers
from cloud_server.modeling.heads import cap_logits

MAX_STACKS = 16
"""How many combinations of shadows keep their stacked weights, a few megabytes each."""


@dataclass(frozen=True)
class _Shadow:
    """A shadow whose backbone attends by rows, the head that reads its answers (the base's own or a
    trained one), the pools of its layers, and its other weights."""

    model: ShadowModel
    head: nn.Module
    pools: list[Pool]
    kind: Kind
    weights: Weights


class Decoder:
    """Runs the base once over all rows of a step, each shadow beside it over its own rows.

    Used by one thread. All state of a request lies in its slots.
    """

    def __init__(self, base_name: str, model: ShadowModel, capacity: int) -> None:
        """model: any shadow of the base to serve, whose bare name is `base_name`; `capacity` tokens
        fit into the store."""
        base = decoder_of(model.base)
        parameter = next(base.parameters())
        self._device = parameter.device
        self._head = head_of(model.base)
        self._base = view_around_layers(view_with_row_attention(base))
        self._store = KeyValueStore(capacity, parameter.device, parameter.dtype)
        self._base_pools = self._store.pools_of("base", base.config)
        self._shadows: dict[str, _Shadow | None] = {base_name: None}
        self._stacks: dict[tuple[str, ...], Weights] = {}
        self.vocabulary_size = int(base.config.vocab_size)
        self.context_tokens = int(base.config.max_position_embeddings)

    @property
    def slot_bytes(self) -> int:
        """Bytes that one token's keys and values take."""
        return self._store.slot_bytes

    def add_shadow(self, name: str, model: ShadowModel) -> None:
        """Let rows of that model name use this shadow."""
        pools = self._store.pools_of("shadow", model.shadow_model.config)
        face = copy.copy(model)  # the caller's model keeps its own attention
        view = view_with_row_attention(model.shadow_model)
        face._modules = {**model._modules, "shadow_model": view}
        head = model.head_module("lm_head")
        self._shadows[name] = _Shadow(face, head, pools, kind_of(model), weights_of(model))

    def remove_shadow(self, name: str) -> None:
        """Forget a shadow that no row uses any more."""
        del self._shadows[name]
        self._stacks.clear()
        others = [shadow.pools for shadow in self._shadows.values() if shadow]
        self._store.keep_only(chain(self._base_pools, *others))

    @torch.inference_mode()
    def run(self, batch: Batch) -> Tensor:
        """Store the batch's new tokens and return logits [asking rows, vocabulary] in its order."""
        input_ids = batch.input_ids[None].to(self._device)
        positions = positions_of(batch.rows)[None].to(self._device)
        rows = RowAttention(batch.rows, self._base_pools)
        refinements = self._start_refinements(batch, input_ids, positions, rows)
        output = self._base(
            input_ids=input_ids,
            position_ids=positions,
            use_cache=False,
            shadow_around=_around(refinements, len(self._base_pools)),
            rows=rows,
        )
        asked = output.last_hidden_state[0].index_select(0, batch.asked_at.to(self._device))
        return self._logits(batch, asked)

    def _logits(self, batch: Batch, states: Tensor) -> Tensor:
        """Return each asking row's logits by its own model's head; who shares one shares the product."""
        heads: dict[nn.Module, list[int]] = {}
        for number, row in enumerate(batch.asking):
            shadow = self._shadows[row.model]
            heads.setdefault(shadow.head if shadow else self._head, []).append(number)
        if len(heads) <= 1:
            logits = next(iter(heads), self._head)(states)
        else:
            places = [torch.tensor(numbers, device=states.device) for numbers in heads.values()]
            parts = [
                head(states.index_select(0, at)) for head, at in zip(heads, places, strict=True)
            ]
            logits = torch.cat(parts).index_select(0, torch.cat(places).argsort())
        return cap_logits(logits, self._base.config)

    def _start_refinements(
        self, batch: Batch, input_ids: Tensor, positions: Tensor, everyone: RowAttention
    ) -> list[Refinement]:
        """Run each shadow's backbone over its own rows: s(0). Rows of the bare base have none."""
        kinds: dict[Kind, list[tuple[Part, Tensor]]] = {}
        for part in batch.parts:
            if (shadow := self._shadows[part.model]) is None:
                continue
            is_alone = len(batch.parts) == 1  # then what the rows see is known already
            rows = everyone.with_pools(shadow.pools) if is_alone else None
            initial = shadow.model.initial_state(
                input_ids[:, part.span],
                position_ids=positions[:, part.span],
                rows=rows or RowAttention(part.rows, shadow.pools),
            )
            kinds.setdefault(shadow.kind, []).append((part, initial[0]))
        return [
            Refinement(kind, self._stack([part.model for part, _ in own]), *zip(*own, strict=True))
            for kind, own in kinds.items()
        ]

    def _stack(self, names: Sequence[str]) -> Weights:
        """Return the shadows' stacked weights, made anew for a combination that was not there lately."""
        key = tuple(names)
        if key not in self._stacks:
            if len(self._stacks) >= MAX_STACKS:
                self._stacks.clear()
            shadows = [self._shadows[name] for name in names]
            self._stacks[key] = stack([shadow.weights for shadow in shadows if shadow])
        return self._stacks[key]


def _around(
    refinements: Sequence[Refinement], layers: int
) -> Callable[[Tensor, int, Callable[[Tensor], Tensor]], Tensor]:
    """Return the shadows' recursion over the base's layers (ShadowPEFT §3.2, §3.3)."""

    def around(hidden: Tensor, index: int, layer: Callable[[Tensor], Tensor]) -> Tensor:
        if index == 0:
            return layer(hidden)
        for each in refinements:
            hidden = each.inject(hidden[0], index - 1)[None]
        output = layer(hidden)
        if index < layers - 1:  # nothing reads the last state
            for each in refinements:
                each.update(output[0], index - 1)
        return output

    return around
