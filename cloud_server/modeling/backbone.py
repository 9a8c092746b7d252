"""The decoder inside a transformers CausalLM: found, viewed with a shadow beside it, or made smaller."""

import copy
from collections.abc import Callable
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

from cloud_server.modeling.config import ShadowConfig
from shared.errors import ModelError

Around = Callable[[Tensor, int, Callable[[Tensor], Tensor]], Tensor]
"""Wraps one layer's call: (hidden state, layer index, the layer) -> the layer's output."""


def decoder_of(model: PreTrainedModel) -> PreTrainedModel:
    """Return the decoder (with `layers`, `norm`, `embed_tokens`) of a CausalLM; ModelError if none."""
    decoder = getattr(model, "model", model)
    if not isinstance(getattr(decoder, "layers", None), nn.ModuleList):
        raise ModelError(
            f"{type(model).__name__} has no list of decoder layers at `.model.layers`; "
            "use a decoder-only model of transformers such as Qwen3 or Gemma 3"
        )
    return cast(PreTrainedModel, decoder)


def head_of(model: PreTrainedModel) -> nn.Module:
    """Return the language-modelling head; ModelError if there is none."""
    found: Any = model
    head = found.get_output_embeddings()
    if not isinstance(head, nn.Module):
        raise ModelError(f"{type(model).__name__} has no language-modelling head")
    return head


def head_weight(model: PreTrainedModel) -> Tensor:
    """Return the head's weight [vocabulary, hidden]."""
    return cast(nn.Linear, head_of(model)).weight


def own_embeddings(shadow: PreTrainedModel) -> nn.Module | None:
    """Return a shadow decoder's own input embeddings, None where it shares the base's."""
    return cast("nn.Module | None", getattr(shadow, "embed_tokens", None))


class _AroundLayer(nn.Module):
    """Calls a base's layer through the `around` that the present forward pass carries."""

    def __init__(self, layer: nn.Module, index: int) -> None:
        super().__init__()
        self.layer = layer
        self.index = index

    def forward(self, hidden: Tensor, *, shadow_around: Around, **arguments: Any) -> Tensor:
        def call(state: Tensor) -> Tensor:
            output = self.layer(state, **arguments)
            changed: Tensor = output[0] if isinstance(output, tuple) else output
            return changed

        return shadow_around(hidden, self.index, call)


def view_around_layers(decoder: PreTrainedModel) -> PreTrainedModel:
    """Return a second face of `decoder` whose forward takes `shadow_around=` and wraps each layer in it.

    Parameters and buffers are the decoder's own objects; the decoder itself is not changed, so any
    number of shadows and the bare base live on it at once. All state of a pass travels in its
    arguments.
    """
    view = copy.copy(decoder)
    view._modules = dict(decoder._modules)
    layers = cast(nn.ModuleList, decoder.layers)
    view._modules["layers"] = nn.ModuleList(
        _AroundLayer(layer, index) for index, layer in enumerate(layers)
    )
    return view


def shadow_decoder_config(base: PretrainedConfig, config: ShadowConfig) -> PretrainedConfig:
    """Return the base decoder's configuration with the shadow's layer count and sizes."""
    made = copy.deepcopy(base)
    made.num_hidden_layers = config.num_shadow_layers
    if getattr(made, "layer_types", None):
        made.layer_types = list(made.layer_types)[: config.num_shadow_layers]
    if getattr(made, "max_window_layers", None) is not None:
        made.max_window_layers = min(made.max_window_layers, config.num_shadow_layers)
    for ours, theirs in (
        (config.shadow_intermediate_size, "intermediate_size"),
        (config.shadow_num_attention_heads, "num_attention_heads"),
        (config.shadow_num_key_value_heads, "num_key_value_heads"),
        (config.shadow_head_dim, "head_dim"),
    ):
        if ours is not None:
            setattr(made, theirs, ours)
    return made


def build_implicit_shadow(
    decoder: PreTrainedModel, config: ShadowConfig, start: Literal["random", "base"]
) -> PreTrainedModel:
    """Return a smaller decoder of the base's class, without embeddings of its own (they are shared).

    `start` "base" copies the base's first layers and final norm, which needs their sizes; "random"
    draws everything anew. Source: ShadowPEFT appendix A.
    """
    shadow = type(decoder)(shadow_decoder_config(decoder.config, config))
    shadow._modules["embed_tokens"] = None  # shared: the base's embeddings feed it
    parameter = next(decoder.parameters())
    nn.Module.to(shadow, device=parameter.device, dtype=parameter.dtype)
    if start == "base":
        copy_first_layers(decoder, shadow)
    return shadow


@torch.no_grad()
def copy_first_layers(decoder: PreTrainedModel, shadow: PreTrainedModel) -> None:
    """Copy the base's first layers and its final norm into the shadow; ModelError if sizes differ."""
    sources = cast(nn.ModuleList, decoder.layers)
    targets = cast(nn.ModuleList, shadow.layers)
    if len(targets) > len(sources):
        raise ModelError(
            f"the base has {len(sources)} layers, fewer than the shadow's {len(targets)}"
        )
    try:
        for source, target in zip(sources, targets, strict=False):
            target.load_state_dict(source.state_dict())
        cast(nn.Module, shadow.norm).load_state_dict(cast(nn.Module, decoder.norm).state_dict())
    except RuntimeError as error:
        raise ModelError(
            "a shadow that starts from the base's first layers needs the base's sizes; "
            "leave the shadow_* sizes out, or start at random"
        ) from error
