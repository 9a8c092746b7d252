"""What an adapter's tensors tell of the base and the shadow that it was made for."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from torch import nn
from transformers import PreTrainedModel

from cloud_server.adapter_files import ADAPTER_NAME
from cloud_server.modeling.config import ShadowConfig
from cloud_server.modeling.shadow_backbone import (
    ShadowBackbone,
    build_explicit_shadow,
    build_implicit_shadow,
    embeddings_name,
)
from cloud_server.modeling.tensor_file import read_shapes
from shared.errors import CheckpointMismatch

_LAYER = re.compile(r"shadow_model\.(?:[a-z_]+\.)*(\d+)\.")
_DOWNS = "shadow_injection_model.injection_downs"
_PROJECTION = "shadow_hidden_projection.weight"
_EMBEDDINGS = ("shadow_model.embed_tokens.weight", "shadow_model.wte.weight")


@dataclass(frozen=True)
class AdapterShape:
    """The tensors' shapes by name, from the head of the file alone."""

    directory: Path
    shapes: dict[str, tuple[int, ...]]

    @classmethod
    def read(cls, directory: Path) -> "AdapterShape":
        """Read the shapes; CheckpointMismatch where the file is no safetensors file."""
        return cls(directory, read_shapes(directory / ADAPTER_NAME))

    def describe(self) -> str:
        """Return what the adapter is, in words: for which base, and with what kind of shadow."""
        layers = 1 + max(
            (int(found.group(1)) for name in self.shapes if (found := _LAYER.match(name))),
            default=-1,
        )
        said = f"a shadow of {layers} layers"
        projection, own = self.shapes.get(_PROJECTION), self._own_embeddings()
        if projection is not None:
            said += f" of hidden size {projection[1]}, projected to {projection[0]}"
        if own is not None:
            said += f", with embeddings of its own for {own[0]} tokens"
        downs = self.shapes.get(_DOWNS)
        if downs is None:
            return said
        return f"{said}, for a base of {downs[0] + 1} layers and hidden size {downs[1]}"

    def _own_embeddings(self) -> tuple[int, ...] | None:
        return next((self.shapes[name] for name in _EMBEDDINGS if name in self.shapes), None)

    @property
    def has_own_embeddings(self) -> bool:
        """Return whether the shadow reads embeddings of its own, not the base's."""
        return self._own_embeddings() is not None

    @property
    def has_projection(self) -> bool:
        """Return whether the shadow's states are projected to the base's size."""
        return _PROJECTION in self.shapes

    def refuse_other_base(self, base_decoder: PreTrainedModel) -> None:
        """Raise CheckpointMismatch, saying what the adapter is, where it was made for another base."""
        config = base_decoder.config
        layers = len(cast(nn.ModuleList, base_decoder.layers))
        self.refuse_other_sizes(config.model_type, layers, config.hidden_size)

    def refuse_other_sizes(self, kind: str, layers: int, hidden: int) -> None:
        """Do the same for a base of which only the configuration is at hand."""
        downs = self.shapes.get(_DOWNS)
        if downs is not None and downs[:2] != (layers - 1, hidden):
            raise CheckpointMismatch(
                f"{self.directory} holds {self.describe()}; this {kind} "
                f"has {layers} layers and hidden size {hidden}"
            )

    def refuse_explicit(self) -> None:
        """Raise CheckpointMismatch where the shadow is an explicit one, which needs its description."""
        if self.has_projection or self.has_own_embeddings:
            raise CheckpointMismatch(
                f"{self.directory} holds {self.describe()}: an explicit shadow, which the "
                "library's files do not describe; pass the CausalLM or projected shadow that it "
                "was made from as `shadow`"
            )

    def build_shadow(
        self, base_decoder: PreTrainedModel, config: ShadowConfig, given: PreTrainedModel | None
    ) -> ShadowBackbone:
        """Return a shadow that the adapter's tensors fit: implicit, or `given`'s copy.

        CheckpointMismatch where the adapter's shadow is an explicit one and none is given.
        """
        if given is None:
            self.refuse_explicit()
            return build_implicit_shadow(base_decoder, config)
        name = embeddings_name(given)
        shared = name is None or f"shadow_model.{name}.weight" not in self.shapes
        built = build_explicit_shadow(base_decoder, given, share_embeddings=shared)
        return ShadowBackbone(built.decoder, self._projection(built.projection, base_decoder), True)

    def _projection(self, built: nn.Module, base_decoder: PreTrainedModel) -> nn.Module:
        """Return P as the file has it: between equal sizes it may be there or, by the library, not."""
        shape, hidden = self.shapes.get(_PROJECTION), base_decoder.config.hidden_size
        if isinstance(built, nn.Linear):
            square = built.in_features == built.out_features
            return nn.Identity() if shape is None and square else built
        if shape != (hidden, hidden):
            return built
        parameter = next(base_decoder.parameters())
        return nn.Linear(hidden, hidden, bias=False, device=parameter.device, dtype=parameter.dtype)
