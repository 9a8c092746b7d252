"""The library's checkpoint directory: written, read strictly, and told from other networks' files."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from cloud_server.adapter_files import ADAPTER_NAME, CONFIG_NAME, MODULES_NAME, change_files
from cloud_server.modeling.change import Change
from cloud_server.modeling.tensor_file import open_tensors
from shared.errors import CheckpointForeign, CheckpointMismatch

Modules = dict[str, nn.Module]
Shapes = Mapping[str, tuple[int, ...]]


def save_tensors(modules: Modules, directory: Path, heads: Modules | None = None) -> None:
    """Write every tensor of `modules` as `<module>.<name>`, and those of `heads` into their own file.

    They are whole, so changes that lay beside the tensors before are removed; last, since beside a
    half-written file they are refused, where without them the file from before would pass for the newest.
    """
    save_file(_flatten(modules), str(directory / ADAPTER_NAME), metadata={"format": "pt"})
    for path in change_files(directory):
        path.unlink()
    if heads:
        save_file(_flatten(heads), str(directory / MODULES_NAME), metadata={"format": "pt"})
    else:
        (directory / MODULES_NAME).unlink(missing_ok=True)


def load_tensors(
    modules: Modules, directory: Path, heads: Modules | None = None, *, partly: bool = False
) -> None:
    """Copy the directory's tensors into `modules` and `heads`, or raise and change nothing.

    CheckpointMismatch lists what is missing, unexpected or mis-shaped. Tensors take the modules'
    number format. partly: the adapter's other modules are left alone.
    """
    found = read_adapter(directory)
    if partly:
        found = {
            name: tensor for name, tensor in found.items() if name.partition(".")[0] in modules
        }
    wanted = _named(modules)
    refuse_unlike(directory / ADAPTER_NAME, _shapes(wanted), _shapes(found))
    modules_path = directory / MODULES_NAME
    if heads or (modules_path.exists() and not partly):
        found_heads = read_tensors(modules_path) if modules_path.exists() else {}
        wanted_heads = _named(heads or {})
        refuse_unlike(modules_path, _shapes(wanted_heads), _shapes(found_heads))
        found, wanted = {**found, **found_heads}, {**wanted, **wanted_heads}
    with torch.no_grad():
        for name, target in wanted.items():
            target.copy_(found[name])


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return a safetensors file's tensors; CheckpointMismatch where it cannot be read."""
    with open_tensors(path) as stream:
        return {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118


def read_adapter(directory: Path) -> dict[str, Tensor]:
    """Return an adapter's tensors, with the changes beside them where there are any."""
    file = directory / ADAPTER_NAME
    found = read_tensors(file)
    for path in change_files(directory):
        found, file = Change.read(path).apply(found, file), path
    return found


def _named(modules: Modules) -> dict[str, Tensor]:
    return {
        f"{prefix}.{name}": tensor
        for prefix, module in modules.items()
        for name, tensor in module.state_dict().items()
    }


def _flatten(modules: Modules) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in _named(modules).items()}


def _shapes(tensors: dict[str, Tensor]) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def refuse_unlike(path: Path, wanted: Shapes, found: Shapes) -> None:
    """Raise CheckpointMismatch, listing what differs, unless a file holds just the tensors wanted."""
    missing = sorted(set(wanted) - set(found))
    unexpected = sorted(set(found) - set(wanted))
    shapes = [
        f"{name} is {found[name]}, wanted {wanted[name]}"
        for name in sorted(set(wanted) & set(found))
        if found[name] != wanted[name]
    ]
    lists = (("missing", missing), ("unexpected", unexpected), ("wrong shape", shapes))
    complaints = [f"{what}: {_shorten(names)}" for what, names in lists if names]
    if complaints:
        raise CheckpointMismatch(
            f"{path} does not fit this base and configuration: " + "; ".join(complaints)
        )


def _shorten(names: list[str], most: int = 8) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def refuse_foreign(directory: Path) -> None:
    """Raise CheckpointForeign, saying what the files are, unless they are the library's adapter."""
    if not directory.is_dir():
        raise CheckpointForeign(f"{directory} is no directory; give the adapter's directory")
    if (directory / "adapter_config.json").exists():
        kind = _read_key(directory / "adapter_config.json", "peft_type")
        also = ", whose blocks have biases, GELU and no LayerNorm" if kind == "SHADOW" else ""
        raise CheckpointForeign(
            f"{directory} is a Hugging Face peft adapter of type {kind}{also}: another network than "
            "the published ShadowPEFT library's; load it with peft"
        )
    if not (directory / CONFIG_NAME).exists() and (directory / "config.json").exists():
        kind = _read_key(directory / "config.json", "model_type")
        raise CheckpointForeign(
            f"{directory} is a whole model of type {kind}, not a shadow adapter; "
            "pass it as the base or as an explicit shadow"
        )
    for name in (CONFIG_NAME, ADAPTER_NAME):
        if not (directory / name).exists():
            raise CheckpointForeign(f"{directory} is no shadow adapter: it has no {name}")


def _read_key(path: Path, key: str) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8")).get(key, "unknown"))
    except (ValueError, AttributeError):
        return "unknown"
