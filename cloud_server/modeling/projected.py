"""A projected shadow, eq. 11: a small decoder, the projection P and a base's head as one CausalLM."""

import copy
import json
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    GenerationMixin,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from cloud_server.modeling.backbone import match_format
from cloud_server.modeling.loss import label_positions, next_token_loss
from shared.errors import CheckpointForeign, CheckpointMismatch

PROJECTED_KIND = "causal_lm_with_hidden_projection"
_ARCHITECTURE = "AutoModelForCausalLMWithHiddenProjection"
_FROM_DECODER = (
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "intermediate_size",
    "max_position_embeddings",
    "rope_theta",
    "rms_norm_eps",
    "layer_types",
    "sliding_window",
    "attention_dropout",
    "head_dim",
    "use_sliding_window",
    "max_window_layers",
)
"""What the library repeats of the decoder's configuration; caches are made by it."""


class ProjectedShadowConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """The library's `config.json` of a projected shadow; the decoder's own lies inside it.

    The two class names are written for the library. Here the decoder is found by its `model_type`,
    so that no file chooses what is imported.
    """

    model_type = PROJECTED_KIND

    def __init__(
        self,
        *,
        shadow_model_class: str = "",
        shadow_model_config_class: str = "",
        shadow_model_config: dict[str, Any] | None = None,
        base_hidden_size: int = 0,
        vocab_size: int = 0,
        **rest: Any,
    ) -> None:
        rest["hidden_size"] = base_hidden_size
        super().__init__(**rest)
        self.shadow_model_class = shadow_model_class
        self.shadow_model_config_class = shadow_model_config_class
        self.shadow_model_config = dict(shadow_model_config or {})
        self.base_hidden_size = base_hidden_size
        self.vocab_size = vocab_size
        for name in _FROM_DECODER:
            if name in self.shadow_model_config and not hasattr(self, name):
                setattr(self, name, self.shadow_model_config[name])

    def decoder_config(self) -> PretrainedConfig:
        """Return the decoder's configuration; CheckpointForeign for a kind transformers has not."""
        kind = str(self.shadow_model_config.get("model_type"))
        if kind not in CONFIG_MAPPING:
            raise CheckpointForeign(f"the projected shadow's decoder is of unknown type {kind!r}")
        made: PretrainedConfig = CONFIG_MAPPING[kind].from_dict(
            copy.deepcopy(self.shadow_model_config)
        )
        return made


class ProjectedShadow(PreTrainedModel, GenerationMixin):
    """logits = W_head P(B(x)) (eq. 11): stands alone, and is an explicit shadow for its base.

    `save_pretrained` writes the library's format, `load_projected_shadow` reads it.
    """

    config_class = ProjectedShadowConfig
    _supports_sdpa = True
    shadow_model: PreTrainedModel

    def __init__(self, config: ProjectedShadowConfig) -> None:
        super().__init__(config)
        decoder = config.decoder_config()
        auto: Any = AutoModel
        self.shadow_model = auto.from_config(
            decoder, attn_implementation=config._attn_implementation
        )
        self.shadow_hidden_projection = nn.Linear(
            decoder.hidden_size, config.base_hidden_size, bias=False
        )
        self.lm_head = nn.Linear(config.base_hidden_size, config.vocab_size, bias=False)
        self.post_init()  # type: ignore[no-untyped-call]

    @classmethod
    @torch.no_grad()
    def wrap(
        cls, decoder: PreTrainedModel, projection: nn.Linear, head: nn.Linear
    ) -> "ProjectedShadow":
        """Return a projected shadow of copies of the decoder (with embeddings), P and the base's head."""
        kinds = [
            f"{type(each).__module__}:{type(each).__name__}" for each in (decoder, decoder.config)
        ]
        model = cls(
            ProjectedShadowConfig(
                shadow_model_class=kinds[0],
                shadow_model_config_class=kinds[1],
                shadow_model_config=decoder.config.to_dict(),
                base_hidden_size=head.in_features,
                vocab_size=head.out_features,
            )
        )
        match_format(model, next(decoder.parameters()))
        model.shadow_model.load_state_dict(decoder.state_dict())
        model.shadow_hidden_projection.load_state_dict(projection.state_dict())
        model.lm_head.load_state_dict(head.state_dict())
        return model

    def get_input_embeddings(self) -> nn.Module:
        """Return the decoder's own input embeddings."""
        return self.shadow_model.get_input_embeddings()

    def get_output_embeddings(self) -> nn.Module:
        """Return the copy of the base's head."""
        head: nn.Module = self.lm_head
        return head

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int = 0,
        **rest: Any,
    ) -> CausalLMOutputWithPast:
        """Return logits [batch, kept tokens, vocabulary]; the loss of `labels` where they are given."""
        output = self.shadow_model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **rest,
        )
        kept = slice(-logits_to_keep if logits_to_keep else None, None)
        projected = self.shadow_hidden_projection(output.last_hidden_state[:, kept])
        logits: Any = self.lm_head(projected)
        loss: Any = None
        if labels is not None:
            rows, positions, targets = label_positions(labels)
            loss = next_token_loss(logits[rows, positions], targets)
        return CausalLMOutputWithPast(
            loss=loss, logits=logits, past_key_values=output.past_key_values
        )

    def save_pretrained(self, save_directory: Any, *arguments: Any, **named: Any) -> None:
        """Write transformers' directory under the library's names, so that it can read it, too."""
        super().save_pretrained(save_directory, *arguments, **named)
        path = Path(save_directory) / "config.json"
        written = json.loads(path.read_text(encoding="utf-8"))
        written["architectures"] = [_ARCHITECTURE]
        path.write_text(json.dumps(written, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def load_projected_shadow(
    directory: str | Path, dtype: torch.dtype | None = None
) -> ProjectedShadow:
    """Return the projected shadow of a local directory, in `dtype` or that of its files.

    CheckpointForeign names another model's files, CheckpointMismatch what is missing, unexpected or
    mis-shaped.
    """
    folder = Path(directory)
    kind = model_kind(folder)
    if kind != PROJECTED_KIND:
        raise CheckpointForeign(f"{folder} is a model of type {kind}, not a projected shadow")
    return cast(ProjectedShadow, _load_whole(ProjectedShadow, folder, dtype))


def model_kind(folder: Path) -> str:
    """Return the `model_type` of a transformers directory; CheckpointForeign where there is none."""
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointForeign(
            f"{folder} is no model's directory: no config.json with a type"
        ) from error
    return str(kind)


def load_causal_lm(directory: str | Path, dtype: torch.dtype | None = None) -> PreTrainedModel:
    """Return the CausalLM of a local directory, a projected shadow or one of transformers, whole.

    It takes `dtype` or that of its files. CheckpointForeign where there is none, CheckpointMismatch
    where tensors are missing, unexpected or mis-shaped.
    """
    folder = Path(directory)
    if model_kind(folder) == PROJECTED_KIND:
        return load_projected_shadow(folder, dtype)
    return _load_whole(AutoModelForCausalLM, folder, dtype)


def _load_whole(loader: Any, folder: Path, dtype: torch.dtype | None) -> PreTrainedModel:
    try:
        model, report = loader.from_pretrained(
            folder,
            dtype=dtype or "auto",
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are in the report, and refused with it
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointForeign(f"{folder} cannot be read as a CausalLM: {error}") from error
    complaints = {name: sorted(map(str, found)) for name, found in report.items() if found}
    if complaints:
        raise CheckpointMismatch(f"{folder} does not hold a whole model: {complaints}")
    loaded: PreTrainedModel = model.eval()
    return loaded
