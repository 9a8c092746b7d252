"""A decoder of vLLM's layers, for the base and for the shadow: tensor-parallel, with paged caches."""

import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig
from vllm.model_executor.layers.layernorm import GemmaRMSNorm, RMSNorm
from vllm.model_executor.layers.vocab_parallel_embedding import VocabParallelEmbedding
from vllm.model_executor.models.gemma3 import Gemma3DecoderLayer
from vllm.model_executor.models.qwen3 import Qwen3DecoderLayer

from shared.errors import ModelError


class Family(NamedTuple):
    """The parts of a family's decoder in vLLM."""

    layer: Any
    norm: Any
    scales_embeddings: bool


FAMILIES = {
    "qwen3": Family(Qwen3DecoderLayer, RMSNorm, scales_embeddings=False),
    "gemma3_text": Family(Gemma3DecoderLayer, GemmaRMSNorm, scales_embeddings=True),
}


def family_of(config: PretrainedConfig) -> Family:
    """Return the family of a decoder's configuration; ModelError names the ones there are."""
    if config.model_type not in FAMILIES:
        raise ModelError(
            f"a {config.model_type} is not served on vLLM here; {', '.join(FAMILIES)} are, and the "
            "embedded engine takes every decoder of transformers"
        )
    return FAMILIES[config.model_type]


class Decoder(nn.Module):
    """Embeddings (unless they are another's), layers and final norm, named as in transformers' files.

    first_layer: the number of its first layer in vLLM's count, by which caches are told apart.
    """

    embedding_scale: Tensor

    def __init__(
        self,
        config: PretrainedConfig,
        vllm_config: Any,
        prefix: str,
        *,
        first_layer: int = 0,
        embeddings: bool = True,
        quant_config: Any = None,
    ) -> None:
        super().__init__()
        family, hidden = family_of(config), config.hidden_size
        self.scales_embeddings = family.scales_embeddings
        if embeddings:
            self.embed_tokens = VocabParallelEmbedding(
                config.vocab_size,
                hidden,
                quant_config=quant_config,
                prefix=f"{prefix}.embed_tokens",
            )
        numbered = _numbered_from(config, first_layer)
        self.layers = nn.ModuleList(
            family.layer(
                config=numbered,
                cache_config=vllm_config.cache_config,
                quant_config=quant_config,
                prefix=f"{prefix}.layers.{first_layer + index}",
            )
            for index in range(config.num_hidden_layers)
        )
        self.norm = family.norm(hidden, eps=config.rms_norm_eps)
        # In the weights' number format, as transformers rounds it.
        self.register_buffer("embedding_scale", torch.tensor(hidden**0.5), persistent=False)

    def embed(self, input_ids: Tensor) -> Tensor:
        """Return E(x) [tokens, hidden]."""
        embedded: Tensor = self.embed_tokens(input_ids)
        return embedded * self.embedding_scale if self.scales_embeddings else embedded

    def run(self, hidden: Tensor, positions: Tensor) -> Tensor:
        """Return the final-normed state [tokens, hidden] after all layers."""
        residual = None
        for layer in self.layers:
            hidden, residual = layer(positions, hidden, residual)
        normed: Tensor = self.norm(hidden, residual)[0]
        return normed

    def run_layer(self, index: int, hidden: Tensor, positions: Tensor) -> Tensor:
        """Return one layer's whole output: vLLM leaves the residual to be added by the next norm."""
        output, residual = self.layers[index](positions, hidden, None)
        whole: Tensor = output + residual
        return whole


def _numbered_from(config: PretrainedConfig, first_layer: int) -> PretrainedConfig:
    """Return the configuration whose `layer_types` can be asked by vLLM's layer numbers."""
    types = getattr(config, "layer_types", None)
    if not types or not first_layer:
        return config
    numbered = copy.copy(config)
    numbered.__dict__["layer_types"] = [types[0]] * first_layer + list(types)
    return numbered
