"""The detached shadow as a stand-alone CausalLM."""

import copy

import torch
from torch import nn
from transformers import PreTrainedModel

from cloud_server.modeling.backbone import decoder_of, head_of
from cloud_server.modeling.shadow_backbone import own_embeddings
from shared.errors import ModelError


@torch.no_grad()
def detached_causal_lm(
    base: PreTrainedModel, shadow: PreTrainedModel, projection: nn.Module
) -> PreTrainedModel:
    """Return a CausalLM of the base's class with the shadow's layers and copies of the base's
    embeddings and head; its logits are the detached logits."""
    if not isinstance(projection, nn.Identity):
        raise ModelError("a projected shadow cannot be exported as a plain CausalLM yet")
    parameter = next(shadow.parameters())
    model = type(base)(copy.deepcopy(shadow.config))
    nn.Module.to(model, device=parameter.device, dtype=parameter.dtype)
    target = decoder_of(model)
    for name in ("layers", "norm"):
        getattr(target, name).load_state_dict(getattr(shadow, name).state_dict())
    embeddings = own_embeddings(shadow) or decoder_of(base).get_input_embeddings()
    target.get_input_embeddings().load_state_dict(embeddings.state_dict())
    head_of(model).load_state_dict(head_of(base).state_dict())
    model.train(False)
    return model
