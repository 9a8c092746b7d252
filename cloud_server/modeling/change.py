"""A change of an adapter's tensors, a small file beside the one that it changes.

A shadow that was trained further is shipped as what became of the one shipped before: every matrix's
difference as a product of two thin ones, `<name>.up` [..., rows, rank] @ `<name>.down` [..., rank, columns],
and all else as it is now. The factors are int8, with `<name>.scale` [..., rank] for the product of both; without
it they are floating-point numbers, as in the first change shipped. Few `steps` pack well (`.xz`). The
repository's history keeps every version of every file, so that a whole adapter can be replaced only rarely
(docs/decisions/0014).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from cloud_server.modeling.tensor_file import PACKED, open_tensors, pack
from shared.bundle import file_sha256
from shared.errors import CheckpointMismatch

UP, DOWN, SCALE = ".up", ".down", ".scale"
Tensors = Mapping[str, Tensor]
_CHANGES, _TRAINED = "changes_sha256", "trained_sha256"


def part_way(before: Tensors, now: Tensors, share: float) -> dict[str, Tensor]:
    """Return fp32 tensors `share` of the way from `before` to `now`: less than the whole of what was learnt forgets
    less of what was known (weight-space ensembles, Wortsman and others 2021, arXiv 2109.01903)."""
    return {
        name: torch.lerp(before[name].float(), each.float(), share).contiguous()
        for name, each in now.items()
    }


@dataclass(frozen=True)
class Change:
    """What became of a file's tensors: whole ones and pairs of factors; `changes` is the file's hash.

    The file is an adapter's or that of the change before. trained: the hash of the file that a run wrote, where
    the change comes from one.
    """

    tensors: dict[str, Tensor]
    changes: str
    trained: str | None = None

    @classmethod
    def between(
        cls,
        before: dict[str, Tensor],
        now: dict[str, Tensor],
        changes: str,
        *,
        rank: int,
        steps: int = 127,
        trained: str | None = None,
    ) -> "Change":
        """Return what makes `now` of `before`, matrices by the best difference of that rank.

        steps: how many of them a factor's greatest number is, 127 at most. A matrix too small to gain
        is kept whole. CheckpointMismatch where the two have other names or shapes.
        """
        shapes, wanted = (
            {name: tensor.shape for name, tensor in each.items()} for each in (now, before)
        )
        if shapes != wanted:
            raise CheckpointMismatch(
                "a change is between two adapters of one base and configuration; these differ in "
                "their tensors' names or shapes"
            )
        tensors: dict[str, Tensor] = {}
        for name, tensor in now.items():
            difference = tensor.double() - before[name].double()
            if not difference.any():
                continue
            size = tensor.shape[-2:]
            if tensor.dim() < 2 or sum(size) * rank >= size.numel():
                tensors[name] = tensor.contiguous()
                continue
            left, values, right = torch.linalg.svd(difference, full_matrices=False)
            root = values[..., :rank].sqrt()
            up, up_scale = _to_int8(left[..., :rank] * root[..., None, :], -2, steps)
            down, down_scale = _to_int8(root[..., None] * right[..., :rank, :], -1, steps)
            tensors[name + UP], tensors[name + DOWN] = up, down
            tensors[name + SCALE] = (up_scale * down_scale).float()
        return cls(tensors, changes, trained)

    def save(self, path: Path) -> None:
        """Write the change as safetensors, packed for `.xz`; its metadata says which file it changes."""
        metadata = {"format": "pt", _CHANGES: self.changes}
        if self.trained:
            metadata[_TRAINED] = self.trained
        save_file(self.tensors, str(path), metadata=metadata)
        if path.suffix == PACKED:
            pack(path)

    @classmethod
    def read(cls, path: Path) -> "Change":
        """Return a written change; CheckpointMismatch where the file is none."""
        with open_tensors(path) as stream:
            metadata = stream.metadata() or {}
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
        if _CHANGES not in metadata:
            raise CheckpointMismatch(f"{path} does not say which adapter it changes")
        return cls(tensors, metadata[_CHANGES], metadata.get(_TRAINED))

    def apply(self, before: dict[str, Tensor], file: Path) -> dict[str, Tensor]:
        """Return the changed tensors of `file`, which holds `before`; CheckpointMismatch where the
        change is one of another file or fits its tensors not.

        The products are summed in double precision and rounded once, so that every machine gets the same.
        """
        if file_sha256(file) != self.changes:
            raise CheckpointMismatch(
                f"the change beside {file} is one of another adapter; take both from one version"
            )
        now = dict(before)
        for target in {
            name.removesuffix(UP).removesuffix(DOWN).removesuffix(SCALE) for name in self.tensors
        }:
            if target not in before:
                raise CheckpointMismatch(
                    f"the change beside {file} names no tensor of it: {target}"
                )
            whole = target in self.tensors
            found = self.tensors[target] if whole else self._difference(target, file)
            if found.shape != before[target].shape:
                raise CheckpointMismatch(f"the change beside {file} has {target} in another shape")
            changed = found if whole else before[target].double() + found
            now[target] = changed.to(before[target].dtype)
        return now

    def _difference(self, target: str, file: Path) -> Tensor:
        up, down = self.tensors.get(target + UP), self.tensors.get(target + DOWN)
        if (
            up is None
            or down is None
            or min(up.dim(), down.dim()) < 2
            or (*up.shape[:-2], up.shape[-1]) != down.shape[:-1]
        ):
            raise CheckpointMismatch(f"the change beside {file} lacks half of {target}")
        scale = self.tensors.get(target + SCALE)
        if (scale is None) == (up.dtype == torch.int8):
            raise CheckpointMismatch(f"the change beside {file} lacks the scale of {target}")
        if scale is None:
            return up.double() @ down.double()
        if scale.shape != down.shape[:-1]:
            raise CheckpointMismatch(f"the change beside {file} lacks the scale of {target}")
        return (up.double() * scale.double()[..., None, :]) @ down.double()


def _to_int8(factor: Tensor, dim: int, steps: int) -> tuple[Tensor, Tensor]:
    """Return a factor in steps of a share of its greatest number along `dim`, and the steps' size."""
    greatest = factor.abs().amax(dim, keepdim=True)
    size = (greatest / steps).clamp_min(torch.finfo(torch.float64).tiny)
    return (factor / size).round().to(torch.int8).contiguous(), size.squeeze(dim)
