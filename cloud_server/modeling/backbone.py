"""The decoder and the head inside a transformers model: found, and viewed with a shadow beside it."""

import copy
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from shared.errors import ModelError

Around = Callable[[Tensor, int, Callable[[Tensor], Tensor]], Tensor]
"""Wraps one layer's call: (hidden state, layer index, the layer) -> the layer's output."""


def decoder_of(model: PreTrainedModel) -> PreTrainedModel:
    """Return the decoder (with `layers`, `norm`, `embed_tokens`) of a base; ModelError if none."""
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


def match_format(module: nn.Module, like: Tensor) -> None:
    """Move a module to the device of `like`, and its weights to the number format."""
    nn.Module.to(module, device=like.device)
    cast_weights(module, like.dtype)


@torch.no_grad()
def cast_weights(module: nn.Module, dtype: torch.dtype) -> None:
    """Bring to a number format what a checkpoint would hold of a module.

    What is made from the configuration stays as it is, above all rotary frequencies: transformers keeps
    them in fp32 beside bf16 weights, and rounded ones turn late positions by other angles.
    """
    for tensor in module.state_dict(keep_vars=True).values():
        if tensor.is_floating_point():
            tensor.data = tensor.data.to(dtype)


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
    for hook in ("forward", "_old_forward", "_hf_hook"):  # accelerate's lead to the decoder itself
        view.__dict__.pop(hook, None)
    view._modules = dict(decoder._modules)
    layers = cast(nn.ModuleList, decoder.layers)
    view._modules["layers"] = nn.ModuleList(
        _AroundLayer(layer, index) for index, layer in enumerate(layers)
    )
    return view
