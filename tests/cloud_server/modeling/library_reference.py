"""The published library, shadow-peft 0.1.1, on tiny bases: its models, its files, its answers."""

import copy
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import (
    Gemma3TextForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    PreTrainedModel,
    Qwen3ForSequenceClassification,
)

from cloud_server.adapter_files import ADAPTER_NAME
from tests.cloud_server.modeling.conftest import CONFIG, TINY, shake

shadow_peft = pytest.importorskip("shadow_peft", reason="the reference library is not installed")

SIZES = {"vocab_size": 97, "intermediate_size": 48, "num_attention_heads": 4}


def tiny_llama() -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(**SIZES, hidden_size=32, num_hidden_layers=4, num_key_value_heads=2)
    )


CAUSAL = {**TINY, "llama": tiny_llama}
CLASSIFIERS: dict[str, Any] = {
    "gemma3": Gemma3TextForSequenceClassification,
    "qwen3": Qwen3ForSequenceClassification,
    "llama": LlamaForSequenceClassification,
}
NARROWER = {
    "shadow_intermediate_size": 24,
    "shadow_num_attention_heads": 2,
    "shadow_num_key_value_heads": 1,
    "shadow_head_dim": 4,
}
ANOTHER = {"gemma3": "qwen3", "qwen3": "llama", "llama": "gemma3"}
"""The family of an explicit shadow that is not its base's."""


def make_base(family: str, head: str) -> PreTrainedModel:
    """Return a tiny base; a classifier has three classes and token 0 as padding."""
    causal = CAUSAL[family]()
    if head == "causal":
        return causal.eval()
    config = copy.deepcopy(causal.config)
    config.num_labels, config.pad_token_id = 3, 0
    return CLASSIFIERS[family](config).eval()


def make_explicit(family: str, hidden: int) -> PreTrainedModel:
    """Return a CausalLM of two layers with embeddings of its own."""
    config = copy.deepcopy(CAUSAL[family]().config)
    config.hidden_size, config.num_hidden_layers, config.head_dim = hidden, 2, 8
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:2]
    return type(CAUSAL[family]())(config).eval()


class Case(NamedTuple):
    """A trained library model, and what loads the same one into ours.

    reference: the library where it is right. library: the library in the form that is asked for.
    """

    base: PreTrainedModel
    reference: Any
    library: Any
    adapter: Path
    shadow: Any


def make_case(family: str, form: str, head: str, directory: Path) -> Case:
    """Return a library model in one form with weights off their start, and its files."""
    torch.manual_seed(3)
    base = make_base(family, head)
    narrower = NARROWER if form == "narrower" else {}
    given, ours = make_given(family, form, base, directory)
    reference = wrap(head, get_model(base, narrower, given))
    for part in parts_of(reference, head):
        shake(part)
    adapter = directory / "adapter"
    reference.save_pretrained(adapter)
    library = reference
    if form == "shared":
        library = share(reference, head, base, make_explicit(ANOTHER[family], 32))
        tensors = load_file(adapter / ADAPTER_NAME)
        tensors.pop("shadow_model.embed_tokens.weight")
        save_file(tensors, adapter / ADAPTER_NAME)
    return Case(base, reference, library, adapter, ours)


def make_given(family: str, form: str, base: Any, directory: Path) -> tuple[Any, Any]:
    """Return the explicit shadow for the library and for ours; None for an implicit one."""
    if form in ("implicit", "narrower"):
        return None, None
    if form == "projected":
        head = nn.Linear(32, 97, bias=False)
        wrapped = shadow_peft.AutoModelForCausalLMWithHiddenProjection.wrap(
            shadow_model=make_explicit(family, 16),
            shadow_hidden_projection=nn.Linear(16, 32, bias=False),
            lm_head=head if base.get_output_embeddings() is None else base.get_output_embeddings(),
            init_optimal_projection=False,
        )
        wrapped.save_pretrained(directory / "projected")
        return wrapped, directory / "projected"
    given = make_explicit(ANOTHER[family], 16 if form == "smaller" else 32)
    if form == "shared":  # the same network: embeddings of its own that return what the base's do
        embeddings = nn.Embedding(97, 32)
        embeddings.weight.data = base.get_input_embeddings()(torch.arange(97)).detach().clone()
        given.set_input_embeddings(embeddings)
    return copy.deepcopy(given), given


def get_model(base: Any, sizes: dict[str, int], given: Any) -> Any:
    config = shadow_peft.ShadowConfig(
        num_shadow_layers=CONFIG.num_shadow_layers,
        injection_hidden_size=CONFIG.injection_hidden_size,
        gate_hidden_size=CONFIG.gate_hidden_size,
        alpha=CONFIG.alpha,
        dropout=CONFIG.dropout,
        **sizes,
    )
    return shadow_peft.get_shadow_model(copy.deepcopy(base), config, shadow_model=given)


def wrap(head: str, network: Any) -> Any:
    """Return the library's task model; its λ is 0.3."""
    kind = (
        shadow_peft.ShadowForCausalLM
        if head == "causal"
        else shadow_peft.ShadowForSequenceClassification
    )
    return kind(network, shadow_loss_weight=0.3).eval()


def parts_of(model: Any, head: str) -> list[nn.Module]:
    """Return what training would change. Shared embeddings stay what the base's are."""
    network = model.peft_model
    decoder = [
        each for name, each in network.shadow_model.named_children() if name != "embed_tokens"
    ]
    parts = [
        *decoder,
        network.shadow_hidden_projection,
        network.shadow_injection_model,
        network.shadow_update_model,
    ]
    if head != "causal":
        parts += [model.classifier_head, model.shadow_classifier_head]
    return parts


def share(reference: Any, head: str, base: Any, given: Any) -> Any:
    """Return the reference's network as the library shares embeddings: by taking the shadow's away."""
    bare = shadow_peft.prepare_shadow_model(given, remove_embed_tokens=True)
    network = get_model(base, {}, bare)
    state = reference.peft_model.adapter_state_dict()
    state.pop("shadow_model.embed_tokens.weight")
    network.load_adapter_state_dict(state)
    return wrap(head, network)


def full_pass(model: Any, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Return the library's logits and shadow logits of one request, in one pass and alone."""
    model.set_inference_mode("base_shadow")
    with torch.no_grad():
        output = model(input_ids=ids)
    return output.logits, output.shadow_logits
