"""ShadowModel: a causal language model with a shadow that refines it or runs alone (eq. 8)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.utils.generic import ModelOutput

from cloud_server.modeling.backbone import decoder_of, head_of
from cloud_server.modeling.cache import ShadowCache
from cloud_server.modeling.detached import detached_causal_lm
from cloud_server.modeling.generation import generate_greedily
from cloud_server.modeling.heads import (
    LANGUAGE_HEADS,
    cap_logits,
    language_head_of,
    last_states,
    pack_head,
)
from cloud_server.modeling.loss import joint_loss, label_positions, next_token_loss
from cloud_server.modeling.network import (
    Mask,
    Mode,
    ShadowNetwork,
    check_mode,
    token_positions,
)


@dataclass
class ShadowOutput(ModelOutput):
    """Logits are [batch, kept tokens, vocabulary]; None where they were not asked for."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    shadow_logits: Tensor | None = None


class ShadowModel(ShadowNetwork):
    """A CausalLM of transformers with a shadow. Both heads are the base's own, frozen, unless
    `modules_to_save` names `lm_head` or `shadow_lm_head`: then a trained copy takes that place."""

    KNOWN_HEADS = LANGUAGE_HEADS

    _packed_heads: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType({})

    def _base_head(self) -> nn.Module:
        return language_head_of(self.base, self.shadow_config.modules_to_save)

    def head(self, state: Tensor) -> Tensor:
        """Return the attached model's logits of a state."""
        return self._logits("lm_head", state)

    def shadow_head(self, state: Tensor) -> Tensor:
        """Return the shadow's logits of a state."""
        return self._logits("shadow_lm_head", state)

    def head_module(self, name: str) -> nn.Module:
        """Return what `lm_head` or `shadow_lm_head` is: the trained copy, else the base's head."""
        return self.saved_heads[name] if name in self.saved_heads else head_of(self.base)

    def shadow_head_weight(self) -> Tensor:
        """Return the weight [vocabulary, hidden] of the head that reads the shadow's states."""
        return cast(nn.Linear, self.head_module("shadow_lm_head")).weight

    def pack_heads(self) -> None:
        """Read a single token's logits with copies of the heads laid out for this CPU's kernels.

        For serving: costs the heads' memory once more and seconds now, and holds for inference mode
        (`generate` is in it) and one row; whatever else is run uses the heads themselves. A head
        that changes afterwards has to be packed again. What it brings:
        docs/decisions/0006-compiled-heads.md.
        """
        heads = {name: self.head_module(name) for name in LANGUAGE_HEADS}
        packed = {head: pack_head(head, decoder_of(self.base)) for head in heads.values()}
        self._packed_heads = {name: packed[head] for name, head in heads.items()}

    def _logits(self, name: str, state: Tensor) -> Tensor:
        config = decoder_of(self.base).config
        if self._packed_heads and torch.is_inference_mode_enabled() and state.shape[:-1] == (1, 1):
            return cap_logits(self._packed_heads[name](state[0])[None], config)
        return cap_logits(self.head_module(name)(state), config)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Mask = None,
        cache: ShadowCache | None = None,
        *,
        position_ids: Tensor | None = None,
        logits_to_keep: int = 0,
        mode: Mode = "attached",
        shadow_logits: bool = True,
        labels: Tensor | None = None,
        shadow_labels: Tensor | None = None,
        shadow_loss_weight: float = 0.05,
    ) -> ShadowOutput:
        """Return the logits of `input_ids` [batch, new tokens] after what `cache` has seen.

        attention_mask: [batch, seen + new tokens], 0 at left padding, or ready 4-D masks by
        attention type. logits_to_keep: only the last n positions (0 is all). mode "detached" runs
        the shadow alone. With `labels` (and `shadow_labels`, by default the same) the joint loss
        CE(base) + weight · CE(shadow) is returned and logits are made at labelled positions only.
        ConfigurationError for another mode.
        """
        check_mode(mode)
        if position_ids is None:
            position_ids = token_positions(input_ids, attention_mask)
        initial = self.initial_state(input_ids, attention_mask, cache, position_ids)
        refined = None
        if mode == "attached":
            refined = self.refined_state(input_ids, initial, attention_mask, cache, position_ids)
        if labels is not None or shadow_labels is not None:
            shadow_targets = labels if shadow_labels is None else shadow_labels
            loss = self.loss(refined, initial, labels, shadow_targets, shadow_loss_weight)
            return ShadowOutput(loss)
        wanted = shadow_logits or refined is None
        return ShadowOutput(
            logits=None if refined is None else self.head(last_states(refined, logits_to_keep)),
            shadow_logits=(
                self.shadow_head(last_states(initial, logits_to_keep)) if wanted else None
            ),
        )

    def loss(
        self,
        refined: Tensor | None,
        initial: Tensor,
        labels: Tensor | None,
        shadow_labels: Tensor | None,
        shadow_weight: float,
    ) -> Tensor:
        """Return CE(base) + weight · CE(shadow) (eq. 8), each at its own labelled positions."""
        base_loss = shadow_loss = initial.new_zeros(())
        if refined is not None and labels is not None:
            rows, positions, targets = label_positions(labels)
            base_loss = next_token_loss(self.head(refined[rows, positions]), targets)
        if shadow_labels is not None and shadow_weight > 0:
            rows, positions, targets = label_positions(shadow_labels)
            shadow_loss = next_token_loss(self.shadow_head(initial[rows, positions]), targets)
        return joint_loss(base_loss, shadow_loss, shadow_weight)

    def generate(
        self,
        input_ids: Tensor,
        *,
        max_new_tokens: int,
        attention_mask: Tensor | None = None,
        mode: Mode = "attached",
        end_token_ids: tuple[int, ...] = (),
    ) -> Tensor:
        """Return `input_ids` [batch, tokens] and the greedy continuation, up to `max_new_tokens` more.

        A row that has met an end token repeats it; left padding is given by `attention_mask`.
        ConfigurationError for a mode but "attached" and "detached".
        """
        check_mode(mode)
        return generate_greedily(
            self,
            input_ids,
            max_new_tokens=max_new_tokens,
            attention_mask=attention_mask,
            mode=mode,
            end_token_ids=end_token_ids,
        )

    def export_detached(self) -> PreTrainedModel:
        """Return the shadow alone as a CausalLM, sharing no storage with this model."""
        return detached_causal_lm(
            self.base,
            self.shadow_model,
            self.shadow_hidden_projection,
            self.head_module("shadow_lm_head"),
        )
