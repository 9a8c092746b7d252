"""The attached model in vLLM (ShadowPEFT §3): a decoder of the shadow's and the base's layers, one pass."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig
from vllm.model_executor.layers.logits_processor import LogitsProcessor
from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead
from vllm.model_executor.models.qwen3 import Qwen3Model
from vllm.model_executor.models.utils import AutoWeightsLoader

from cloud_server.modeling.injection import Injection
from cloud_server.modeling.update import Update
from cloud_server.vllm_plugin import ADAPTER_KEY, SHADOW_KEY
from cloud_server.vllm_plugin.adapter import Adapter
from cloud_server.vllm_plugin.decoder import Decoder
from shared.errors import CheckpointMismatch, ConfigurationError, ModelError

STACKED = Qwen3Model.hf_to_vllm_mapper
"""q, k and v become one matrix, gate and up another: the same for both families."""


class Shadow(nn.Module):
    """The trained network beside a base, its modules named as in the library's files.

    Injection and update are the paper's own code in `modeling`, whole on every rank: they are
    token-wise, and hidden states are whole there.
    """

    def __init__(
        self, adapter: Adapter, base: PretrainedConfig, vllm_config: Any, prefix: str
    ) -> None:
        super().__init__()
        config, hidden = adapter.config, base.hidden_size
        self.shares_embeddings = not adapter.shape.has_own_embeddings
        narrow = adapter.decoder.hidden_size
        if adapter.shape.has_projection:
            self.shadow_hidden_projection: nn.Module = nn.Linear(narrow, hidden, bias=False)
        elif narrow == hidden:
            self.shadow_hidden_projection = nn.Identity()
        else:
            raise CheckpointMismatch(f"{adapter.directory} has no projection to {hidden} channels")
        self.shadow_model = Decoder(
            adapter.decoder,
            vllm_config,
            f"{prefix}.shadow_model",
            first_layer=base.num_hidden_layers,
            embeddings=not self.shares_embeddings,
        )
        layers = base.num_hidden_layers - 1
        self.shadow_injection_model = Injection(
            layers, hidden, config.injection_hidden_size, config.alpha, config.dropout
        )
        self.updates = adapter.update
        if adapter.update:
            self.shadow_update_model = Update(
                layers, hidden, config.gate_hidden_size, config.dropout
            )

    def initial_state(self, input_ids: Tensor, embedded: Tensor, positions: Tensor) -> Tensor:
        """Return s(0) [tokens, hidden] (eqs. 1, 10); embedded: the base's E(x)."""
        # A copy: vLLM's layers may add to what they are given, in place.
        shared = self.shares_embeddings
        own = embedded.clone() if shared else self.shadow_model.embed(input_ids)
        state: Tensor = self.shadow_hidden_projection(self.shadow_model.run(own, positions))
        return state


class AttachedDecoder(Decoder):
    """The base's decoder with a shadow beside it; both have their own layers in vLLM's paged cache."""

    def __init__(self, *, vllm_config: Any, prefix: str = "") -> None:
        config = vllm_config.model_config.hf_config
        super().__init__(config, vllm_config, prefix, quant_config=vllm_config.quant_config)
        self.adapter = read_adapter(config)
        self.shadow = Shadow(self.adapter, config, vllm_config, f"{prefix}.shadow")

    def forward(
        self,
        input_ids: torch.Tensor,
        positions: torch.Tensor,
    ) -> torch.Tensor:
        """Return the final-normed h(L-1) [tokens, hidden] with the shadow injected (eqs. 2 to 7)."""
        embedded = self.embed(input_ids)
        shadow = self.shadow.initial_state(input_ids, embedded, positions)
        hidden = self.run_layer(0, embedded, positions)
        last = len(self.layers) - 1
        for index in range(1, last + 1):
            injected = self.shadow.shadow_injection_model(hidden, shadow, index - 1)
            hidden = self.run_layer(index, injected, positions)
            if self.shadow.updates and index < last:  # nothing reads s(L-1)
                shadow = self.shadow.shadow_update_model(hidden, shadow, index - 1)
        normed: Tensor = self.norm(hidden)
        return normed


class ShadowForCausalLM(nn.Module):
    """What vLLM serves: Qwen3 and Gemma 3 bases with a shadow of any size attached."""

    packed_modules_mapping = {  # noqa: RUF012 - vLLM's name and form
        "qkv_proj": ["q_proj", "k_proj", "v_proj"],
        "gate_up_proj": ["gate_proj", "up_proj"],
    }

    def __init__(self, *, vllm_config: Any, prefix: str = "") -> None:
        super().__init__()
        if vllm_config.parallel_config.pipeline_parallel_size > 1:
            raise ConfigurationError(
                "a shadow reads every layer of the base: set --tensor-parallel-size instead of "
                "--pipeline-parallel-size"
            )
        if not vllm_config.model_config.enforce_eager:
            # Traced, it gave other tokens on vLLM 0.32; why was not found.
            raise ConfigurationError("start vLLM with --enforce-eager: compiled, it is not exact")
        config = vllm_config.model_config.hf_config
        within = f"{prefix}." if prefix else ""
        self.model = AttachedDecoder(vllm_config=vllm_config, prefix=f"{within}model")
        self.lm_head = ParallelLMHead(
            config.vocab_size,
            config.hidden_size,
            quant_config=vllm_config.quant_config,
            prefix=f"{within}lm_head",
        )
        if config.tie_word_embeddings:
            if self.model.adapter.trains_head:
                raise ModelError("the adapter trains lm_head, but this base's is its embedding")
            self.lm_head = self.lm_head.tie_weights(self.model.embed_tokens)
        cap = getattr(config, "final_logit_softcapping", None)
        self.logits_processor = LogitsProcessor(config.vocab_size, soft_cap=cap)

    def embed_input_ids(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Return the base's E(x) [tokens, hidden]."""
        return self.model.embed(input_ids)

    def forward(
        self,
        input_ids: torch.Tensor,
        positions: torch.Tensor,
        intermediate_tensors: Any = None,
        inputs_embeds: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return final-normed states [tokens, hidden]; only token ids can be given."""
        if inputs_embeds is not None:
            raise ModelError("the shadow reads token ids; prompt embeddings cannot be served")
        states: Tensor = self.model(input_ids, positions)
        return states

    def compute_logits(self, hidden_states: torch.Tensor) -> torch.Tensor | None:
        """Return logits [tokens, vocabulary]; on one rank alone where vLLM says so."""
        logits: Tensor | None = self.logits_processor(self.lm_head, hidden_states)
        return logits

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]]) -> set[str]:
        """Load the base's tensors, then the adapter's; CheckpointMismatch for a half adapter."""
        loaded: set[str] = AutoWeightsLoader(self).load_weights(weights, mapper=STACKED)
        loaded |= {f"model.shadow.{name}" for name in self._load_adapter()}
        if self.model.adapter.trains_head:
            head = AutoWeightsLoader(self).load_weights(self.model.adapter.head_tensors())
            loaded |= head
        return loaded

    def _load_adapter(self) -> set[str]:
        adapter, shadow = self.model.adapter, self.model.shadow
        try:
            loaded: set[str] = AutoWeightsLoader(shadow).load_weights(
                adapter.tensors(), mapper=STACKED
            )
        except ValueError as error:
            raise CheckpointMismatch(f"{adapter.directory}: {error}") from error
        names = {name for name, _ in shadow.named_parameters()}
        if missing := sorted(names - loaded):
            raise CheckpointMismatch(f"{adapter.directory} lacks {', '.join(missing)}")
        return loaded


def read_adapter(config: PretrainedConfig) -> Adapter:
    """Return the adapter that a configuration names; ConfigurationError where it names none."""
    directory, shadow = (getattr(config, key, None) for key in (ADAPTER_KEY, SHADOW_KEY))
    if directory is None:
        raise ConfigurationError(
            f"the configuration has no {ADAPTER_KEY}; start with "
            "`python -m cloud_server.vllm_plugin.serve --base DIR --adapter DIR`"
        )
    return Adapter.read(Path(directory), config, None if shadow is None else Path(shadow))
