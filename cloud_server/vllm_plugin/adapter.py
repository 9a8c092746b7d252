"""An adapter's directory as vLLM's model needs it: checked against the base, its shadow's sizes known."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import PretrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from cloud_server.adapter_files import MODULES_NAME
from cloud_server.modeling.adapter_shape import AdapterShape
from cloud_server.modeling.checkpoint import (
    read_adapter,
    read_tensors,
    refuse_foreign,
    refuse_unlike,
)
from cloud_server.modeling.config import ShadowConfig
from cloud_server.modeling.heads import LANGUAGE_HEADS
from cloud_server.modeling.projected import PROJECTED_KIND, model_kind
from cloud_server.modeling.shadow_backbone import shadow_decoder_config
from cloud_server.modeling.shadow_form import ShadowForm
from cloud_server.modeling.tensor_file import read_shapes
from shared.errors import CheckpointMismatch

TRAINED_HEAD = "lm_head"
"""The head of `modules_to_save` that an attached answer uses; the shadow's own is the edge's."""


@dataclass(frozen=True)
class Adapter:
    """What is read before any tensor is: the constants, the shadow decoder's configuration, the shapes."""

    directory: Path
    config: ShadowConfig
    decoder: PretrainedConfig
    shape: AdapterShape
    update: bool

    @classmethod
    def read(cls, directory: Path, base: PretrainedConfig, shadow: Path | None) -> "Adapter":
        """Read and check the directory; shadow: of what an explicit one was made from.

        CheckpointForeign names another network's files, CheckpointMismatch an adapter of another
        base, an explicit shadow that neither the directory nor `shadow` describes, and trained heads
        that are not the ones its configuration names.
        """
        refuse_foreign(directory)
        config, form = ShadowConfig.load(directory), ShadowForm.load(directory)
        _refuse_other_heads(directory, config, base)
        shape = AdapterShape.read(directory)
        shape.refuse_other_sizes(base.model_type, base.num_hidden_layers, base.hidden_size)
        described = form.decoder if shadow is None else _described_in(shadow)
        if described is None:
            shape.refuse_explicit()
            return cls(directory, config, shadow_decoder_config(base, config), shape, form.update)
        kind = str(described.get("model_type"))
        if kind not in CONFIG_MAPPING:
            raise CheckpointMismatch(f"the shadow's decoder is of unknown type {kind!r}")
        decoder = CONFIG_MAPPING[kind].from_dict(copy.deepcopy(described))
        return cls(directory, config, decoder, shape, form.update)

    @property
    def trains_head(self) -> bool:
        """Return whether the adapter brings a head of its own for attached answers."""
        return TRAINED_HEAD in self.config.modules_to_save

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the network's tensors by their names in the library's files."""
        yield from read_adapter(self.directory).items()

    def head_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the trained head's tensors, named as within a head."""
        for name, tensor in read_tensors(self.directory / MODULES_NAME).items():
            if name.startswith(f"{TRAINED_HEAD}."):
                yield name, tensor


def _refuse_other_heads(directory: Path, config: ShadowConfig, base: PretrainedConfig) -> None:
    unknown = sorted(set(config.modules_to_save) - set(LANGUAGE_HEADS))
    if unknown:
        raise CheckpointMismatch(f"{directory} trains {', '.join(unknown)}: no heads of a CausalLM")
    path, shape = directory / MODULES_NAME, (base.vocab_size, base.hidden_size)
    wanted = {f"{name}.weight": shape for name in config.modules_to_save}
    refuse_unlike(path, wanted, read_shapes(path) if path.exists() else {})


def _described_in(shadow: Path) -> dict[str, Any]:
    """Return the decoder's configuration in a CausalLM's or a projected shadow's directory."""
    kind = model_kind(shadow)
    described: dict[str, Any] = json.loads((shadow / "config.json").read_text(encoding="utf-8"))
    return described["shadow_model_config"] if kind == PROJECTED_KIND else described
