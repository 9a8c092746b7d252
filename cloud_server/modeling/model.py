"""ShadowModel: a frozen base and the small trained shadow that refines it or runs alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from cloud_server.modeling import checkpoint
from cloud_server.modeling.backbone import (
    Around,
    build_implicit_shadow,
    decoder_of,
    head_of,
    own_embeddings,
    view_around_layers,
)
from cloud_server.modeling.cache import ShadowCache
from cloud_server.modeling.config import ShadowConfig
from cloud_server.modeling.detached import detached_causal_lm
from cloud_server.modeling.injection import Injection
from cloud_server.modeling.loss import label_positions, next_token_loss
from cloud_server.modeling.update import Update
from shared.errors import ModelError

Mode = Literal["attached", "detached"]


@dataclass(frozen=True)
class ShadowOutput:
    """Logits are [batch, kept tokens, vocabulary]; None where they were not asked for."""

    logits: Tensor | None
    shadow_logits: Tensor | None
    loss: Tensor | None = None


class ShadowModel(nn.Module):
    """The paper's network over any decoder-only CausalLM of transformers (notes: arXiv 2604.19254 §3).

    The base is neither changed nor copied, only frozen; all state of a request lies in the
    `ShadowCache` that the caller owns, so calls may interleave and threads may share one model.
    """

    def __init__(
        self,
        base: PreTrainedModel,
        config: ShadowConfig,
        shadow: PreTrainedModel,
        *,
        update: bool = True,
    ) -> None:
        super().__init__()
        decoder = decoder_of(base)
        layers = len(cast(nn.ModuleList, decoder.layers)) - 1
        if layers < 1:
            raise ModelError("a shadow needs a base of at least two layers")
        hidden, shadow_hidden = decoder.config.hidden_size, shadow.config.hidden_size
        self.shadow_config = config
        self.base = base.requires_grad_(False)
        self.shadow_model = shadow
        self.shadow_hidden_projection: nn.Module = (
            nn.Identity()
            if shadow_hidden == hidden
            else nn.Linear(shadow_hidden, hidden, bias=False)
        )
        self.shadow_injection_model = Injection(
            layers, hidden, config.injection_hidden_size, config.alpha, config.dropout
        )
        self.shadow_update_model = Update(layers, hidden, config.gate_hidden_size, config.dropout)
        self.update_shadow = update
        self._view = (
            view_around_layers(decoder),
        )  # a tuple hides the view from state_dict and .to
        parameter = next(decoder.parameters())
        for part in self.adapter_modules().values():
            part.to(device=parameter.device, dtype=parameter.dtype)

    @classmethod
    def create(
        cls,
        base: PreTrainedModel,
        config: ShadowConfig,
        shadow: PreTrainedModel | None = None,
        *,
        start: Literal["random", "base"] = "random",
        update: bool = True,
    ) -> "ShadowModel":
        """Return a new shadow on `base`: implicit, or explicit where `shadow` (a CausalLM) is given.

        start: "random" weights or the "base"'s own first layers (implicit only). update=False is
        the paper's ablation: the state stays s(0).
        """
        if shadow is None:
            decoder = build_implicit_shadow(decoder_of(base), config, start)
        else:
            decoder = decoder_of(shadow)
        return cls(base, config, decoder, update=update)

    @classmethod
    def from_pretrained(cls, base: PreTrainedModel, directory: str | Path) -> "ShadowModel":
        """Return the shadow of a library-format directory on `base`, in inference mode.

        CheckpointForeign names another network's files, CheckpointMismatch every missing,
        unexpected or mis-shaped tensor; nothing is loaded half.
        """
        folder = Path(directory)
        checkpoint.refuse_foreign(folder)
        model = cls.create(base, ShadowConfig.load(folder))
        checkpoint.load_tensors(model.adapter_modules(), folder)
        return model.eval()

    def save_pretrained(self, directory: str | Path) -> None:
        """Write the adapter in the library's format; the base is not part of it."""
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        self.shadow_config.save(folder)
        checkpoint.save_tensors(self.adapter_modules(), folder)

    def adapter_modules(self) -> dict[str, nn.Module]:
        """Return the trained parts by their names in the library's checkpoints."""
        return {
            "shadow_model": self.shadow_model,
            "shadow_hidden_projection": self.shadow_hidden_projection,
            "shadow_injection_model": self.shadow_injection_model,
            "shadow_update_model": self.shadow_update_model,
        }

    def new_cache(self) -> ShadowCache:
        """Return an empty cache for one request (or one batch that moves together)."""
        return ShadowCache(decoder_of(self.base).config, self.shadow_model.config)

    def export_detached(self) -> PreTrainedModel:
        """Return the shadow alone as a CausalLM of the base's class, sharing no storage with it."""
        return detached_causal_lm(self.base, self.shadow_model, self.shadow_hidden_projection)

    def initial_state(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | dict[str, Tensor] | None = None,
        cache: ShadowCache | None = None,
        position_ids: Tensor | None = None,
        **backbone: Any,
    ) -> Tensor:
        """Return s(0) = P(B(E(x))) [batch, tokens, hidden] (eq. 10 for P); fills `cache.shadow`.

        backbone: further arguments of the shadow's decoder, for an attention of the caller's own.
        """
        embeddings = decoder_of(self.base).get_input_embeddings()
        own = own_embeddings(self.shadow_model)
        output = self.shadow_model(
            inputs_embeds=(embeddings if own is None else own)(input_ids),
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=cache.shadow if cache else None,
            use_cache=cache is not None,
            **backbone,
        )
        projected: Tensor = self.shadow_hidden_projection(output.last_hidden_state)
        return projected

    def refined_state(
        self,
        input_ids: Tensor,
        initial: Tensor,
        attention_mask: Tensor | dict[str, Tensor] | None = None,
        cache: ShadowCache | None = None,
        position_ids: Tensor | None = None,
    ) -> Tensor:
        """Return the base's final-normed h(L-1) [batch, tokens, hidden] with the shadow injected."""
        output = self._view[0](
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=cache.base if cache else None,
            use_cache=cache is not None,
            shadow_around=self._around(initial),
        )
        state: Tensor = output.last_hidden_state
        return state

    def _around(self, initial: Tensor) -> Around:
        """Return the recursion over layers (§3.2, §3.3) as a closure that owns this pass's s(l)."""
        shadow = initial
        last = len(cast(nn.ModuleList, self._view[0].layers)) - 1

        def around(hidden: Tensor, index: int, layer: Any) -> Tensor:
            nonlocal shadow
            if index == 0:
                output: Tensor = layer(hidden)
                return output
            output = layer(self.shadow_injection_model(hidden, shadow, index - 1))
            if self.update_shadow and index < last:  # nothing reads s(L-1)
                shadow = self.shadow_update_model(output, shadow, index - 1)
            return output

        return around

    def head(self, state: Tensor) -> Tensor:
        """Return the base head's logits of a state; the shadow's are read with the same frozen head."""
        logits: Tensor = head_of(self.base)(state)
        cap = getattr(decoder_of(self.base).config, "final_logit_softcapping", None)
        return logits if cap is None else torch.tanh(logits / cap) * cap

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | dict[str, Tensor] | None = None,
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
        """
        positions = (
            position_ids if position_ids is not None else _positions(input_ids, attention_mask)
        )
        initial = self.initial_state(input_ids, attention_mask, cache, positions)
        refined = None
        if mode == "attached":
            refined = self.refined_state(input_ids, initial, attention_mask, cache, positions)
        if labels is not None or shadow_labels is not None:
            shadow_targets = labels if shadow_labels is None else shadow_labels
            loss = self.loss(refined, initial, labels, shadow_targets, shadow_loss_weight)
            return ShadowOutput(None, None, loss)
        kept = slice(-logits_to_keep if logits_to_keep else None, None)
        return ShadowOutput(
            logits=None if refined is None else self.head(refined[:, kept]),
            shadow_logits=self.head(initial[:, kept]) if shadow_logits or refined is None else None,
        )

    def loss(
        self,
        refined: Tensor | None,
        initial: Tensor,
        labels: Tensor | None,
        shadow_labels: Tensor | None,
        shadow_weight: float,
    ) -> Tensor:
        """Return CE(base) + weight · CE(shadow), each at its own labelled positions."""
        total = initial.new_zeros(())
        if refined is not None and labels is not None:
            rows, positions, targets = label_positions(labels)
            total = total + next_token_loss(self.head(refined[rows, positions]), targets)
        if shadow_labels is not None and shadow_weight > 0:
            rows, positions, targets = label_positions(shadow_labels)
            shadow_loss = next_token_loss(self.head(initial[rows, positions]), targets)
            total = total + shadow_weight * shadow_loss
        return total

    @torch.inference_mode()
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
        """
        cache, ids, mask, step = self.new_cache(), input_ids, attention_mask, input_ids
        ended = torch.zeros(len(ids), dtype=torch.bool, device=ids.device)
        for _ in range(max_new_tokens):
            positions = None if mask is None else _positions(ids, mask)[:, -step.shape[1] :]
            output = self(
                step,
                mask,
                cache,
                position_ids=positions,
                logits_to_keep=1,
                mode=mode,
                shadow_logits=mode == "detached",
            )
            logits = output.shadow_logits if mode == "detached" else output.logits
            step = logits[:, -1].argmax(-1, keepdim=True)
            step = torch.where(ended[:, None], ids[:, -1:], step)
            ids = torch.cat([ids, step], dim=1)
            if mask is not None:
                mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
            if end_token_ids:
                ended |= torch.isin(step[:, 0], torch.tensor(end_token_ids, device=ids.device))
                if bool(ended.all()):
                    break
        return ids


def _positions(input_ids: Tensor, attention_mask: Any) -> Any:
    """Return positions that start at 0 after left padding; None leaves them to the decoder's cache."""
    if not isinstance(attention_mask, Tensor) or attention_mask.dim() != 2:
        return None
    positions = (attention_mask.long().cumsum(-1) - 1).clamp(min=0)
    return positions[:, -input_ids.shape[1] :]
