"""Tiny random bases and shadows that are not at their initial values."""

import copy
from typing import Any

import pytest
import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, Qwen3Config, Qwen3ForCausalLM

from cloud_server.modeling import ShadowConfig, ShadowModel

WINDOW = 8
CONFIG = ShadowConfig(
    num_shadow_layers=2, injection_hidden_size=4, gate_hidden_size=6, alpha=0.5, dropout=0.0
)


def tiny_gemma3() -> Gemma3ForCausalLM:
    return Gemma3ForCausalLM(
        Gemma3TextConfig(
            vocab_size=97,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=7,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=8,
            sliding_window=WINDOW,
            max_position_embeddings=256,
        )
    )


def tiny_qwen3() -> Qwen3ForCausalLM:
    return Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=97,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=5,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=8,
            max_position_embeddings=256,
            tie_word_embeddings=False,
        )
    )


TINY = {"gemma3": tiny_gemma3, "qwen3": tiny_qwen3}


def shake(module: torch.nn.Module) -> None:
    """Move every parameter off its initial value, W_up = 0 above all."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)


@pytest.fixture(params=sorted(TINY))
def base(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(11)
    return TINY[request.param]().eval()


@pytest.fixture
def model(base: Any) -> ShadowModel:
    """A shadow that visibly changes its base."""
    made = ShadowModel.create(base, CONFIG).eval()
    for part in made.adapter_modules().values():
        shake(part)
    return made


@pytest.fixture
def model_fp64(model: ShadowModel) -> ShadowModel:
    return copy.deepcopy(model).double()


@pytest.fixture
def ids() -> torch.Tensor:
    return torch.randint(0, 97, (2, 23), generator=torch.Generator().manual_seed(5))
