"""The detached shadow as a stand-alone CausalLM (§3.4): its layers, embeddings and head in one model."""

import copy
from typing import Any, cast

import torch
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from cloud_server.modeling.backbone import decoder_of, head_of, match_format
from cloud_server.modeling.projected import ProjectedShadow
from cloud_server.modeling.shadow_backbone import own_embeddings
from shared.errors import ModelError


@torch.no_grad()
def detached_causal_lm(
    base: PreTrainedModel, shadow: PreTrainedModel, projection: nn.Module, head: nn.Module
) -> PreTrainedModel:
    """Return a CausalLM of copies: the shadow with its or the base's embeddings, and `head`.

    Without a projection it is of the shadow's own kind in transformers, which
    `AutoModelForCausalLM` opens; with one, a `ProjectedShadow`. ModelError where that kind cannot
    hold what the shadow does, such as the base's cap on logits.
    """
    embeddings = own_embeddings(shadow) or decoder_of(base).get_input_embeddings()
    linear, table = cast(nn.Linear, head), cast(nn.Embedding, embeddings)
    projected = projection if isinstance(projection, nn.Linear) else None
    if projected is None and len(linear.weight) != len(table.weight):
        raise ModelError(
            f"the shadow reads {len(table.weight)} tokens and its head says {len(linear.weight)}; "
            "a plain CausalLM has one vocabulary"
        )
    alike = type(shadow) is type(decoder_of(base))  # then both scale their embeddings alike, too
    tied = linear.weight is table.weight and projected is None and alike
    plain = _empty_causal_lm(base, shadow, len(table.weight), tied)
    decoder = cast(PreTrainedModel, plain.base_model)
    _fill_decoder(decoder, shadow, table)
    made = plain
    if projected is not None:
        _refuse_unlike(base, None, linear)
        made = ProjectedShadow.wrap(decoder, projected, linear)
    else:
        _refuse_unlike(base, plain, linear)
        head_of(plain).load_state_dict(linear.state_dict())
    made.generation_config = copy.deepcopy(base.generation_config)
    made.train(False)
    return made


def _empty_causal_lm(
    base: PreTrainedModel, shadow: PreTrainedModel, tokens: int, tied: bool
) -> PreTrainedModel:
    config = copy.deepcopy(shadow.config)
    config.tie_word_embeddings, config.vocab_size = tied, tokens
    alike = type(shadow) is type(decoder_of(base))
    auto: Any = AutoModelForCausalLM
    model: PreTrainedModel = type(base)(config) if alike else auto.from_config(config)
    match_format(model, next(shadow.parameters()))
    return model


def _fill_decoder(decoder: Any, shadow: PreTrainedModel, embeddings: nn.Embedding) -> None:
    """Copy the shadow's tensors and its embeddings'; ModelError where they would do something else."""
    target = decoder.get_input_embeddings()
    name = next(name for name, module in decoder.named_modules() if module is target)
    report = decoder.load_state_dict(shadow.state_dict(), strict=False)
    left = [each for each in report.missing_keys if not each.startswith(f"{name}.")]
    if left or report.unexpected_keys:
        raise ModelError(f"the shadow does not fit its own kind: {left + report.unexpected_keys}")
    target.weight.copy_(embeddings.weight)
    every = torch.arange(len(embeddings.weight), device=embeddings.weight.device)
    some, wanted = every[:8], embeddings(every)
    if not torch.equal(wanted[:8], target(some)):  # one of them scales what it looks up
        target.weight.fill_(1.0)
        target.weight.copy_(wanted / target(every[:1])[0, 0])
    tolerance = 1e-6 if target.weight.dtype == torch.float32 else 0.0
    if not torch.allclose(target(some), wanted[:8], rtol=tolerance, atol=0.0):
        raise ModelError(
            f"a {decoder.config.model_type} scales its embeddings, and {target.weight.dtype} cannot "
            "hold the base's divided by that; export the shadow in fp32"
        )


def _refuse_unlike(base: PreTrainedModel, made: PreTrainedModel | None, head: nn.Linear) -> None:
    """Raise ModelError where the new model would do something else to its logits than the base."""
    cap = getattr(decoder_of(base).config, "final_logit_softcapping", None)
    theirs = None if made is None else getattr(made.config, "final_logit_softcapping", None)
    if cap != theirs:
        raise ModelError(
            f"the base caps its logits at {cap} and the exported model at {theirs}; "
            "this shadow cannot stand alone"
        )
    bias = False if made is None else getattr(head_of(made), "bias", None) is not None
    if bias != (head.bias is not None):
        raise ModelError("of the base's head and the exported model's only one has a bias")
