"""One step of the base with its shadows: from a batch of rows to the logits that they ask for."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from cloud_server.engine.attention import RowAttention, view_with_row_attention
from cloud_server.engine.batch import Batch, positions_of
from cloud_server.engine.key_value_store import KeyValueStore, Pool
from cloud_server.modeling import ShadowModel
from cloud_server.modeling.backbone import decoder_of, view_around_layers


@dataclass(frozen=True)
class _Shadow:
    """A shadow whose backbone attends by rows, and the pools of its layers."""

    model: ShadowModel
    pools: list[Pool]


@dataclass
class _Stream:
    """The present state s(l) [1, tokens, hidden] of one shadow's rows, at `span` of the batch."""

    shadow: ShadowModel
    span: slice
    state: Tensor


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
        self._head = model.head
        self._base = view_around_layers(view_with_row_attention(base))
        self._store = KeyValueStore(capacity, parameter.device, parameter.dtype)
        self._base_pools = self._store.pools_of("base", base.config)
        self._shadows: dict[str, _Shadow | None] = {base_name: None}
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
        self._shadows[name] = _Shadow(face, pools)

    def remove_shadow(self, name: str) -> None:
        """Forget a shadow that no row uses any more."""
        del self._shadows[name]

    @torch.inference_mode()
    def run(self, batch: Batch) -> Tensor:
        """Store the batch's new tokens and return logits [asking rows, vocabulary] in its order."""
        input_ids = batch.input_ids[None].to(self._device)
        positions = positions_of(batch.rows)[None].to(self._device)
        rows = RowAttention(batch.rows, self._base_pools)
        streams = self._start_streams(batch, input_ids, positions, rows)
        output = self._base(
            input_ids=input_ids,
            position_ids=positions,
            use_cache=False,
            shadow_around=_around(streams, input_ids.shape[1], len(self._base_pools)),
            rows=rows,
        )
        asked = output.last_hidden_state[0].index_select(0, batch.asked_at.to(self._device))
        return self._head(asked)

    def _start_streams(
        self, batch: Batch, input_ids: Tensor, positions: Tensor, everyone: RowAttention
    ) -> list[_Stream]:
        """Run each shadow's backbone over its own rows: s(0). Rows of the bare base have none."""
        streams = []
        for part in batch.parts:
            if (shadow := self._shadows[part.model]) is None:
                continue
            is_alone = len(batch.parts) == 1  # then what the rows see is known already
            state = shadow.model.initial_state(
                input_ids[:, part.span],
                position_ids=positions[:, part.span],
                rows=everyone.with_pools(shadow.pools)
                if is_alone
                else RowAttention(part.rows, shadow.pools),
            )
            streams.append(_Stream(shadow.model, part.span, state))
        return streams


def _around(
    streams: list[_Stream], tokens: int, layers: int
) -> Callable[[Tensor, int, Callable[[Tensor], Tensor]], Tensor]:
    """Return the shadows' recursion over layers (ShadowPEFT §3.2, §3.3), each on its own tokens."""

    def around(hidden: Tensor, index: int, layer: Callable[[Tensor], Tensor]) -> Tensor:
        if index == 0:
            return layer(hidden)
        output = layer(_inject(hidden, streams, tokens, index - 1))
        for stream in streams:
            if stream.shadow.update_shadow and index < layers - 1:  # nothing reads the last state
                own = output[:, stream.span]
                stream.state = stream.shadow.shadow_update_model(own, stream.state, index - 1)
        return output

    return around


def _inject(hidden: Tensor, streams: list[_Stream], tokens: int, index: int) -> Tensor:
    """Return `hidden` with each shadow's injection at its tokens; the bare base's stay as they are."""
    pieces, at = [], 0
    for stream in streams:
        if stream.span.start > at:
            pieces.append(hidden[:, at : stream.span.start])
        own = hidden[:, stream.span]
        pieces.append(stream.shadow.shadow_injection_model(own, stream.state, index))
        at = stream.span.stop
    if at < tokens:
        pieces.append(hidden[:, at:])
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=1)
