"""The prediction heads of eqs. 8 and 9: the base's own, or trained copies that the adapter carries."""

import copy
from collections.abc import Callable, Sequence
from typing import cast

import torch
import torch._inductor.config as inductor_settings
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

from cloud_server.modeling.backbone import decoder_of, head_of
from shared.errors import ConfigurationError, ModelError

LANGUAGE_HEADS = ("lm_head", "shadow_lm_head")
CLASSIFIER_HEADS = ("classifier_head", "shadow_classifier_head")
"""The library's names in `modules_to_save`: the base's head first, the shadow's second."""

_SCALES = ("logit_scale", "logits_scaling", "output_multiplier")
"""Factors that a few families put on their logits, each in its own way."""


def copy_heads(names: Sequence[str], known: Sequence[str], head: nn.Module) -> nn.ModuleDict:
    """Return a trainable copy of the base's `head` for each of `names`; the base's stays frozen.

    ConfigurationError for a name that is not `known`.
    """
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ConfigurationError(
            f"modules_to_save names {', '.join(unknown)}; this model can save {', '.join(known)}"
        )
    return nn.ModuleDict({name: copy.deepcopy(head).requires_grad_(True) for name in names})


def language_head_of(base: PreTrainedModel, saved: Sequence[str]) -> nn.Module:
    """Return the base's language-modelling head; ModelError where its logits are more than the head's.

    A trained `lm_head` is refused on a base whose head is its embedding: the library would train
    and load both as one tensor, and every shadow of the base would change with it.
    """
    config, head = decoder_of(base).config, head_of(base)
    scaled = [name for name in _SCALES if getattr(config, name, 1.0) not in (None, 1, 1.0)]
    if scaled:
        raise ModelError(
            f"{type(base).__name__} scales its logits ({', '.join(scaled)}); not supported"
        )
    tied = decoder_of(base).get_input_embeddings().weight is cast(nn.Linear, head).weight
    if tied and LANGUAGE_HEADS[0] in saved:
        raise ModelError(
            f"modules_to_save names lm_head, but the head of this {type(base).__name__} is also its "
            "embedding; save shadow_lm_head alone, or untie the base"
        )
    return head


def classifier_head_of(base: PreTrainedModel) -> nn.Module:
    """Return the head of a transformers *ForSequenceClassification; ModelError if there is none."""
    for name in ("score", "classifier"):
        head = getattr(base, name, None)
        if isinstance(head, nn.Module):
            return head
    raise ModelError(
        f"{type(base).__name__} has no classifier head (`score`); "
        "use a *ForSequenceClassification of transformers"
    )


def cap_logits(logits: Tensor, config: PretrainedConfig) -> Tensor:
    """Return the logits softly capped where the base's configuration says so (Gemma 2)."""
    cap = getattr(config, "final_logit_softcapping", None)
    return logits if cap is None else torch.tanh(logits / cap) * cap


def last_states(states: Tensor, count: int) -> Tensor:
    """Return the last `count` states [batch, count, hidden]; all of them where `count` is 0.

    A copy, since torch's CPU kernel for bf16 is dozens of times as slow on a slice, whose rows lie
    a whole sequence apart (the head of Gemma 3 270M after 100 tokens: 1.1 s against 0.02 s).
    """
    if not count:
        return states
    return states[:, -count:].clone(memory_format=torch.contiguous_format)


@torch.inference_mode()
def pack_head(head: nn.Module, decoder: PreTrainedModel) -> Callable[[Tensor], Tensor]:
    """Return `head` compiled for one state [1, hidden] of the decoder, with its weights laid out anew.

    To be called in inference mode alone: elsewhere torch.compile would compile it again, unpacked,
    since freezing is a setting of the moment of compilation.
    """
    parameter = next(decoder.parameters())
    example = parameter.new_zeros(1, decoder.config.hidden_size)
    compiled: Callable[[Tensor], Tensor] = torch.compile(head, dynamic=False)
    with inductor_settings.patch(freezing=True):
        compiled(example)
    return compiled
