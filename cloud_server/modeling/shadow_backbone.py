"""The shadow backbone B and its projection P: made from the base, or given by the caller."""

import copy
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

from cloud_server.modeling.backbone import match_format
from cloud_server.modeling.config import ShadowConfig
from shared.errors import ConfigurationError, ModelError

SIZES = {
    "shadow_intermediate_size": "intermediate_size",
    "shadow_num_attention_heads": "num_attention_heads",
    "shadow_num_key_value_heads": "num_key_value_heads",
    "shadow_head_dim": "head_dim",
}
"""Our names of an implicit shadow's sizes, and transformers' names."""


@dataclass(frozen=True)
class ShadowBackbone:
    """B, a decoder without a head, and P, an `nn.Linear` without bias or the identity (eq. 10).

    explicit: the decoder was given, not derived from the base.
    """

    decoder: PreTrainedModel
    projection: nn.Module
    explicit: bool = False


def own_embeddings(decoder: PreTrainedModel) -> nn.Module | None:
    """Return a shadow decoder's own input embeddings, None where it shares the base's."""
    try:
        return cast("nn.Module | None", decoder.get_input_embeddings())
    except NotImplementedError:  # transformers' answer where the place for them is empty
        return None


def build_implicit_shadow(
    decoder: PreTrainedModel, config: ShadowConfig, start: Literal["random", "base"] = "random"
) -> ShadowBackbone:
    """Return a smaller decoder of the base's class, without embeddings of its own (they are shared).

    `start` "base" copies the base's first layers and final norm, which needs their sizes; "random"
    draws everything anew. ConfigurationError for sizes that the base's class cannot have. Source:
    ShadowPEFT appendix A.
    """
    made = shadow_decoder_config(decoder.config, config)
    try:
        shadow = type(decoder)(made)
    except (ValueError, ZeroDivisionError) as error:
        raise ConfigurationError(f"{type(decoder).__name__} cannot be built: {error}") from error
    drop_embeddings(shadow)
    match_format(shadow, next(decoder.parameters()))
    if start == "base":
        copy_first_layers(decoder, shadow)
    return ShadowBackbone(shadow, nn.Identity())


def shadow_decoder_config(base: PretrainedConfig, config: ShadowConfig) -> PretrainedConfig:
    """Return the base decoder's configuration with the shadow's layer count and sizes."""
    layers = config.num_shadow_layers
    if layers > base.num_hidden_layers:
        raise ConfigurationError(
            f"num_shadow_layers is {layers}, more than the base's {base.num_hidden_layers} layers"
        )
    made = copy.deepcopy(base)
    made.num_hidden_layers = layers
    if getattr(made, "layer_types", None):
        made.layer_types = list(made.layer_types)[:layers]
    if getattr(made, "max_window_layers", None) is not None:
        made.max_window_layers = min(made.max_window_layers, layers)
    for ours, theirs in SIZES.items():
        size = getattr(config, ours)
        if size is None:
            continue
        if not hasattr(made, theirs):
            raise ConfigurationError(f"{ours} is set, but a {made.model_type} has no {theirs}")
        setattr(made, theirs, size)
    heads, groups = made.num_attention_heads, getattr(made, "num_key_value_heads", None)
    if groups and heads % groups:
        raise ConfigurationError(
            f"{heads} attention heads cannot share {groups} key-value heads evenly; "
            "set shadow_num_attention_heads and shadow_num_key_value_heads together"
        )
    return made


@torch.no_grad()
def copy_first_layers(decoder: PreTrainedModel, shadow: PreTrainedModel) -> None:
    """Copy the base's first layers and its final norm into the shadow; ModelError if sizes differ."""
    sources = cast(nn.ModuleList, decoder.layers)
    targets = cast(nn.ModuleList, shadow.layers)
    try:
        for source, target in zip(sources, targets, strict=False):
            target.load_state_dict(source.state_dict())
        cast(nn.Module, shadow.norm).load_state_dict(cast(nn.Module, decoder.norm).state_dict())
    except RuntimeError as error:
        raise ModelError(
            "a shadow that starts from the base's first layers needs the base's sizes; "
            "leave the shadow_* sizes out, or start at random"
        ) from error


def build_explicit_shadow(
    base_decoder: PreTrainedModel, given: PreTrainedModel, *, share_embeddings: bool = False
) -> ShadowBackbone:
    """Return a copy of `given` as a shadow: a CausalLM, a decoder, or a projected shadow (eq. 11).

    A projected shadow brings its P; a narrower decoder gets a random one (eq. 10). Its own
    embeddings are kept, frozen, unless `share_embeddings`; what else is trainable stays so. The
    copy has the base's device and number format. ModelError where sizes or vocabularies do not fit.
    Source: ShadowPEFT appendix A.
    """
    parts: Any = given
    decoder = copy.deepcopy(decoder_within(given))
    if share_embeddings:
        drop_embeddings(decoder)
    check_explicit_shadow(base_decoder, decoder)
    narrow, wide = decoder.config.hidden_size, base_decoder.config.hidden_size
    projection: nn.Module = nn.Identity()
    if is_projected(given):
        projection = copy.deepcopy(parts.shadow_hidden_projection)
        if projection.weight.shape != (wide, narrow):
            raise ModelError(
                f"the projected shadow leads from {projection.in_features} to "
                f"{projection.out_features}, made for another base; this one's hidden size is {wide}"
            )
    elif narrow != wide:
        projection = nn.Linear(narrow, wide, bias=False)
    own = own_embeddings(decoder)
    if own is not None:
        own.requires_grad_(False)
    for part in (decoder, projection):
        match_format(part, next(base_decoder.parameters()))
    return ShadowBackbone(decoder, projection, explicit=True)


def is_projected(model: PreTrainedModel) -> bool:
    """Return whether a model is a projected shadow, ours or the library's."""
    return isinstance(getattr(model, "shadow_hidden_projection", None), nn.Linear)


def decoder_within(model: PreTrainedModel) -> PreTrainedModel:
    """Return the decoder of a CausalLM or of a projected shadow; of a decoder, itself."""
    parts: Any = model
    return cast(PreTrainedModel, parts.shadow_model if is_projected(model) else model.base_model)


def embeddings_name(model: PreTrainedModel) -> str | None:
    """Return where the decoder within `model` keeps its own embeddings, such as `embed_tokens`."""
    decoder = decoder_within(model)
    own = own_embeddings(decoder)
    return next((name for name, module in decoder.named_modules() if module is own), None)


def check_explicit_shadow(base_decoder: PreTrainedModel, decoder: PreTrainedModel) -> None:
    """Raise ModelError where `decoder` cannot be a shadow of the base."""
    kind = decoder.config.model_type
    if getattr(decoder.config, "is_encoder_decoder", False):
        raise ModelError(f"a {kind} is an encoder with a decoder; a shadow is a decoder alone")
    own = own_embeddings(decoder)
    wide = base_decoder.config.hidden_size
    reads_tokens = own is None or isinstance(getattr(own, "weight", None), Tensor)
    if not hasattr(decoder.config, "hidden_size") or not reads_tokens:
        raise ModelError(f"a {kind} is no decoder of one size that reads tokens")
    if own is None:
        if decoder.config.hidden_size != wide:
            raise ModelError(
                f"the base's embeddings have {wide} channels and the {kind} shadow takes "
                f"{decoder.config.hidden_size}; let it keep its own embeddings"
            )
        return
    tokens, wanted = embedding_rows(own), embedding_rows(base_decoder.get_input_embeddings())
    if tokens < wanted:
        raise ModelError(
            f"the {kind} shadow knows {tokens} tokens and the base {wanted}; "
            "a shadow reads the base's token ids, so both need one vocabulary"
        )


def embedding_rows(embeddings: nn.Module) -> int:
    """Return how many tokens an embedding module knows."""
    return len(cast(Tensor, embeddings.weight))


def drop_embeddings(decoder: PreTrainedModel) -> None:
    """Empty the place of the decoder's input embeddings: the base's will feed it."""
    own = own_embeddings(decoder)
    for parent in list(decoder.modules()):
        for name, child in parent._modules.items():
            if child is not None and child is own:
                parent._modules[name] = None
