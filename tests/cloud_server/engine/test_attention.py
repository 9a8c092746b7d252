"""Attention by rows in families of transformers: exact, or refused by name."""

from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Cohere2Config,
    Gemma2Config,
    Gemma3TextConfig,
    GptOssConfig,
    Llama4TextConfig,
    LlamaConfig,
    MistralConfig,
    Olmo3Config,
    Phi3Config,
    PretrainedConfig,
    PreTrainedModel,
    SmolLM3Config,
)

from shared.errors import ModelError
from tests.cloud_server.engine.conftest import SIZES as BASE_SIZES
from tests.cloud_server.engine.conftest import SLIDING_WINDOW as WINDOW

SIZES: dict[str, Any] = {**BASE_SIZES, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
MIXED = {"sliding_window": WINDOW, "layer_types": ["sliding_attention", "full_attention"] * 2}
SERVED = {
    "llama": LlamaConfig(**SIZES),
    "mistral": MistralConfig(**SIZES, sliding_window=WINDOW),
    "phi3": Phi3Config(**SIZES, sliding_window=WINDOW),
    "gemma2": Gemma2Config(**SIZES, **MIXED, attn_logit_softcapping=None),
    "olmo3": Olmo3Config(**SIZES, **MIXED),
    "cohere2": Cohere2Config(**SIZES, **MIXED, logit_scale=1.0),
    "smollm3": SmolLM3Config(**SIZES),
}
REFUSED = {
    "GptOssAttention gives its attention s_aux": GptOssConfig(
        **SIZES, **MIXED, num_local_experts=2, num_experts_per_tok=1
    ),
    "Llama4TextModel has layers of chunked_attention": Llama4TextConfig(
        **SIZES, intermediate_size_mlp=48, num_local_experts=2, attention_chunk_size=8
    ),
    "Gemma3TextModel also attends to later tokens": Gemma3TextConfig(
        **SIZES, **MIXED, use_bidirectional_attention=True
    ),
    "Gemma2Model caps its attention scores": Gemma2Config(**SIZES, **MIXED),
}


def make(config: PretrainedConfig) -> PreTrainedModel:
    auto: Any = AutoModelForCausalLM
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        base: PreTrainedModel = auto.from_config(config).eval()
    return base


@pytest.mark.parametrize("family", SERVED)
def test_rows_side_by_side_are_what_each_is_alone(
    family, stepped, serve_as, shadow_of, alone, random_prompt
):
    base = make(SERVED[family])
    models = {"a": shadow_of(base, 1), "bare": base}
    engine = stepped(serve_as("a", models["a"]), prefill_tokens=16)
    asked = [(name, random_prompt(length)) for name in models for length in (5, 30)]
    ears = [engine.submit(prompt, 6, model=name) for name, prompt in asked]
    engine.finish()
    for (name, prompt), ear in zip(asked, ears, strict=True):
        assert ear.tokens == alone(models[name], prompt, 6), (name, len(prompt))


@pytest.mark.parametrize("reason", REFUSED)
def test_what_attention_by_rows_does_not_know_is_refused_by_name(
    reason, stepped, serve_as, shadow_of
):
    with pytest.raises(ModelError, match=reason):
        stepped(serve_as("a", shadow_of(make(REFUSED[reason]), 1)))
