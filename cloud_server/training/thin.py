"""Linear layers that learn a change of low rank and nothing else, so that it ships whole (decisions/0014).

W + (32 / rank) up @ down, as LoRA has it (arXiv 2106.09685), but of the shadow's own layers: when the
stage is done the products are added to the matrices, and `cloud-server ship-change` at the same rank finds
them again.
"""

import math
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.utils import parametrize

FILE_NAME = "thin_changes.safetensors"
_ALPHA = 32.0


class ThinChange(nn.Module):
    """What a matrix [rows, columns] becomes with its change: itself at first, since `up` is zero."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        rows, columns = weight.shape
        self.scale = _ALPHA / rank
        self.up = nn.Parameter(weight.new_zeros(rows, rank))
        reach = 1 / math.sqrt(columns)
        self.down = nn.Parameter(weight.new_empty(rank, columns).uniform_(-reach, reach))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.scale * (self.up @ self.down)


class ThinChanges:
    """The changes of every linear layer of some modules, whose own parameters are frozen."""

    def __init__(self, parts: Iterable[nn.Module], rank: int) -> None:
        self._layers: list[nn.Module] = []
        for part in parts:
            part.requires_grad_(False)
            for layer in part.modules():
                if isinstance(layer, nn.Linear):
                    change = ThinChange(layer.weight.detach(), rank)
                    parametrize.register_parametrization(layer, "weight", change)
                    self._layers.append(layer)

    def parameters(self) -> list[nn.Parameter]:
        """Return all that is learnt: every layer's `up` [rows, rank] and `down` [rank, columns]."""
        return list(self._named().values())

    def save(self, directory: Path) -> None:
        """Write the factors into a checkpoint's directory."""
        directory.mkdir(parents=True, exist_ok=True)
        tensors = {name: each.detach().cpu() for name, each in self._named().items()}
        save_file(tensors, str(directory / FILE_NAME))

    def load(self, directory: Path) -> None:
        """Take the factors of a checkpoint."""
        found = load_file(str(directory / FILE_NAME))
        with torch.no_grad():
            for name, each in self._named().items():
                each.copy_(found[name])

    def merge(self) -> None:
        """Add every product to its matrix; the layers are plain ones again."""
        for layer in self._layers:
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
        self._layers = []

    def _named(self) -> dict[str, nn.Parameter]:
        return {
            f"{number}.{name}": parameter
            for number, layer in enumerate(self._layers)
            for name, parameter in layer.parametrizations["weight"][0].named_parameters()  # type: ignore[index,union-attr]
        }
